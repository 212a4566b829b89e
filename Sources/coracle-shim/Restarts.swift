import CLinux

/// When a container starts again, by the rule in its run directory, which a service may change at any time.
///
/// The pause doubles from 100 ms up to a minute. A run of ten seconds or more begins anew, with the count as well; a start that
/// fails is no run.
struct Restarts {
  private static var firstPause: UInt64 { 100_000_000 }
  private static var longestPause: UInt64 { 60_000_000_000 }
  private static var goodRun: UInt64 { 10_000_000_000 }
  private var next = firstPause
  private var inARow: UInt64 = 0
  /// When the run began that goes on; nil when none does.
  private var begin: UInt64?

  /// The command was executed.
  mutating func began() { begin = clinux_boot_time() }

  var areAllowed: Bool { RunFiles.restartRule() != nil }

  /// How long to wait before the next start after an end, or after a start that failed, in ns; nil where there is to be none.
  mutating func pause(after waitStatus: CInt) -> UInt64? {
    guard let rule = RunFiles.restartRule() else { return nil }
    if rule.onFailureOnly, waitStatus == 0 { return nil }
    if let begin, clinux_boot_time() - begin >= Self.goodRun {
      next = Self.firstPause
      inARow = 0
    }
    begin = nil
    if rule.most > 0, inARow >= rule.most { return nil }
    inARow += 1
    let pause = next
    next = min(next * 2, Self.longestPause)
    return pause
  }
}
