/// What the title of a build's step says: `#4 [base 1/2] RUN make`.
struct BuildTitle {
  /// As it stands in front of what the step writes.
  var number: String
  /// The same to count with: those of a stage follow those of the stages before it.
  var place: Int
  var stage: String
  var instruction: String

  /// Nil for other titles.
  init?(_ title: String) {
    guard let match = title.wholeMatch(of: #/(\#\d+) \[(.+?) \d+\/\d+\] (.+)/#.dotMatchesNewlines()) else {
      return nil
    }
    place = Int(match.1.dropFirst()) ?? 0
    (number, stage, instruction) = (String(match.1), String(match.2), String(match.3))
    // One without a name has its number.
    if stage.allSatisfy(\.isNumber) { stage = "stage \(stage)" }
  }
}
