/// Seconds that an option was given, in whole milliseconds; nil where it was not given.
///
/// - Throws: where there is no such number of milliseconds: for inf, nan and what is too large.
func milliseconds(_ seconds: Double?, _ option: String) throws -> Int? {
  guard let seconds else { return nil }
  guard let milliseconds = Int(exactly: (seconds * 1000).rounded()) else {
    throw invalidOption(
      "\(option) is a number of seconds, as 1.5, not \(seconds)", hint: "leave it out for the usual time")
  }
  return milliseconds
}
