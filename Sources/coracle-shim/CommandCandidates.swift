import CLinux

/// The places where a command without a slash may be, in the order of PATH, as execvp(3) looks: an empty part is the working
/// directory, and what is longer than a path can be is passed over.
struct CommandCandidates {
  private let command: CString
  private var next: CString?
  private var candidate = PathText()

  init(_ command: CString, in path: CString) {
    self.command = command
    next = path
  }

  /// The next place, valid until the one after it is asked for; nil when there is no more.
  mutating func nextPath() -> CString? {
    while var start = next {
      candidate.clear()
      while start[0] != 0, start[0] != 0x3A {
        candidate.add(byte: start[0])
        start += 1
      }
      next = start[0] == 0 ? nil : start + 1
      if candidate.count == 0 { candidate.add(".") }
      candidate.add(byte: slash)
      candidate.add(string: command)
      if !candidate.isTooLong { return candidate.cString }
    }
    return nil
  }
}
