/// What somebody may have meant who wrote something else.
package enum NearMiss {
  /// The one of `candidates` that the fewest changes of letters lead to, two at most; nil also where `word` is one of them.
  package static func of(_ word: String, in candidates: some Sequence<String>, ignoringCase: Bool = false)
    -> String?
  {
    let wanted = ignoringCase ? word.lowercased() : word
    guard wanted.unicodeScalars.count <= 64 else { return nil }
    var best: (name: String, distance: Int)?
    for candidate in candidates.sorted() {
      let name = ignoringCase ? candidate.lowercased() : candidate
      if name == wanted { return nil }
      let distance = distance(Array(wanted.unicodeScalars), Array(name.unicodeScalars))
      if distance < best?.distance ?? 3 { best = (candidate, distance) }
    }
    return best?.name
  }

  package static func hint(_ word: String, in candidates: some Sequence<String>, ignoringCase: Bool = false)
    -> String?
  {
    of(word, in: candidates, ignoringCase: ignoringCase).map { "did you mean \($0)?" }
  }

  /// Levenshtein's, with two letters that changed places as one change.
  private static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
    if left.isEmpty || right.isEmpty { return max(left.count, right.count) }
    var before: [Int] = []
    var row = Array(0...right.count)
    for (line, scalar) in left.enumerated() {
      var next = [line + 1]
      for (column, other) in right.enumerated() {
        var least = min(row[column] + (scalar == other ? 0 : 1), row[column + 1] + 1, next[column] + 1)
        if line > 0, column > 0, scalar == right[column - 1], left[line - 1] == other {
          least = min(least, before[column - 1] + 1)
        }
        next.append(least)
      }
      (before, row) = (row, next)
    }
    return row[right.count]
  }
}
