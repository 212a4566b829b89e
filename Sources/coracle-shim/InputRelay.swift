import CLinux

/// Passes bytes from the attach socket to the container's standard input.
///
/// What the container does not read yet is held, one packet at most, and nothing more is taken from any
/// client: a full pipe stops the writers, and never the drain of the output.
struct InputRelay {
  private var pipe: CInt
  private var listener: CInt = -1
  private var clients: InlineArray<8, CInt> = InlineArray(repeating: -1)
  private var packet: UnsafeMutablePointer<UInt8>?
  private var hasSocket = false
  private var next = 0
  private var end = 0

  /// - Parameter pipe: the write end of standard input, or -1 if it is /dev/null.
  init(pipe: CInt) { self.pipe = pipe }

  mutating func listen() throws(Failure) {
    guard pipe >= 0 else { return }
    _ = clinux_set_nonblocking(pipe)
    guard let memory = clinux_map_memory(Int(CLINUX_ATTACH_PAYLOAD) + 1) else {
      throw Failure(CLINUX_STEP_SOCKET, ENOMEM)
    }
    packet = memory.assumingMemoryBound(to: UInt8.self)
    listener = try check(CLINUX_STEP_SOCKET, clinux_listen_here("attach.sock"))
    hasSocket = true
  }

  func addTo(_ poll: inout PollSet) {
    guard pipe >= 0 else { return }
    // Without events POLLERR still tells that the container closed its end.
    poll.add(pipe, next < end ? POLLOUT : 0)
    if freeSlot() != nil { poll.add(listener, POLLIN) }
    guard next == end else { return }
    for index in clients.indices { poll.add(clients[index], POLLIN) }
  }

  mutating func relay(_ poll: PollSet) {
    guard pipe >= 0 else { return }
    if poll.isReady(pipe) {
      if poll.hasError(pipe) { return finish() }
      flush()
    }
    if poll.isReady(listener), let slot = freeSlot() {
      clients[slot] = clinux_accept(listener)
    }
    for index in clients.indices where next == end && pipe >= 0 && poll.isReady(clients[index]) {
      receive(index)
    }
  }

  /// The end of standard input for good: after the last byte, or because the container closed it.
  mutating func finish() {
    for index in clients.indices {
      if clients[index] >= 0 { _ = close(clients[index]) }
      clients[index] = -1
    }
    if listener >= 0 { _ = close(listener) }
    listener = -1
    if pipe >= 0 { _ = close(pipe) }
    pipe = -1
    next = 0
    end = 0
    if let packet { clinux_unmap(packet, Int(CLINUX_ATTACH_PAYLOAD) + 1) }
    packet = nil
  }

  func removeSocket() {
    if hasSocket { _ = unlink("attach.sock") }
  }

  private func freeSlot() -> Int? {
    for index in clients.indices where clients[index] < 0 { return index }
    return nil
  }

  private mutating func receive(_ index: Int) {
    guard let packet else { return }
    let count = clinux_receive(clients[index], packet, Int(CLINUX_ATTACH_PAYLOAD) + 1, 0)
    if count < 0 && (clinux_errno() == EAGAIN) { return }
    guard count > 0 else {
      // A client that leaves, however, leaves standard input open for the next one.
      _ = close(clients[index])
      clients[index] = -1
      return
    }
    switch UInt32(packet[0]) {
    case CLINUX_ATTACH_INPUT.rawValue:
      next = 1
      end = count
      flush()
    case CLINUX_ATTACH_END.rawValue:
      finish()
    default:
      break
    }
  }

  private mutating func flush() {
    guard let packet else { return }
    while next < end {
      let count = write(pipe, packet + next, end - next)
      if count < 0 && clinux_errno() == EAGAIN { return }
      if count < 0 { return finish() }
      next += count
    }
    next = 0
    end = 0
  }
}
