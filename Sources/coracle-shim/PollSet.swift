import CLinux

/// The descriptors of one `poll` call. Those that are -1 are ignored.
struct PollSet {
  private static var capacity: Int { 32 }
  private var entries: InlineArray<32, pollfd> = InlineArray(repeating: pollfd())
  private var count = 0

  mutating func clear() { count = 0 }

  mutating func add(_ descriptor: CInt, _ events: Int32) {
    guard count < Self.capacity, descriptor >= 0 else { return }
    entries[count] = pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0)
    count += 1
  }

  /// How many are ready; 0 after the time.
  mutating func wait(milliseconds: CInt) -> CInt {
    while true {
      let ready = withUnsafeMutableBytes(of: &entries) {
        poll(
          $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: pollfd.self), nfds_t(count), milliseconds)
      }
      if ready >= 0 { return ready }
    }
  }

  /// Whether the descriptor has any event, errors and hang-ups included.
  func isReady(_ descriptor: CInt) -> Bool {
    guard descriptor >= 0 else { return false }
    for index in 0..<count where entries[index].fd == descriptor { return entries[index].revents != 0 }
    return false
  }

  func hasError(_ descriptor: CInt) -> Bool {
    for index in 0..<count where entries[index].fd == descriptor {
      return Int32(entries[index].revents) & (POLLERR | POLLHUP | POLLNVAL) != 0
    }
    return false
  }
}
