import CLinux

/// How services add ports to a forwarder and take them away: the status socket of the one that started it, and connections
/// to `ports.sock` of the run directory, which is for the container's user alone.
struct ForwarderControl {
  struct Change {
    var packet: clinux_forward
    /// -1 where the packet had none.
    var descriptor: CInt
  }

  private let epoll: CInt
  private let socket: CInt
  private var clients: InlineArray<8, CInt> = InlineArray(repeating: -1)
  /// A resource was short; for a while no connection is taken.
  private(set) var isShort = false

  init(_ epoll: CInt, _ status: StatusSocket) throws(Failure) {
    self.epoll = epoll
    socket = try check(CLINUX_STEP_SOCKET, clinux_listen_here("ports.sock"))
    try check(
      CLINUX_STEP_SOCKET,
      clinux_epoll_set(epoll, socket, EventToken(.listener).bits, CLINUX_WAIT_INPUT.rawValue, 0))
    add(status.descriptor)
  }

  mutating func accept() {
    let client = clinux_accept(socket)
    if client >= 0 { return add(client) }
    switch clinux_errno() {
    case EMFILE, ENFILE, ENOMEM, ENOBUFS: setShort(true)
    default: return
    }
  }

  mutating func endShortage() {
    if isShort { setShort(false) }
  }

  /// Who connects waits in the kernel meanwhile.
  private mutating func setShort(_ isShort: Bool) {
    self.isShort = isShort
    let events = isShort ? 0 : CLINUX_WAIT_INPUT.rawValue
    _ = clinux_epoll_set(epoll, socket, EventToken(.listener).bits, events, 1)
  }

  private mutating func add(_ client: CInt) {
    for index in clients.indices where clients[index] < 0 {
      let token = EventToken(.client, index)
      guard clinux_epoll_set(epoll, client, token.bits, CLINUX_WAIT_INPUT.rawValue, 0) == 0 else { break }
      clients[index] = client
      return
    }
    _ = close(client)
  }

  mutating func receive(_ index: Int) -> Change? {
    guard index < clients.count, clients[index] >= 0 else { return nil }
    var change = Change(packet: clinux_forward(), descriptor: -1)
    let size = clinux_receive_forward(clients[index], &change.packet, &change.descriptor)
    if size < 0, clinux_errno() == EAGAIN { return nil }
    if size == MemoryLayout<clinux_forward>.size { return change }
    if change.descriptor >= 0 { _ = close(change.descriptor) }
    _ = close(clients[index])
    clients[index] = -1
    return nil
  }

  func answer(_ index: Int, _ error: CInt) {
    var error = error
    _ = clinux_send(clients[index], &error, MemoryLayout<CInt>.size, 0)
  }
}
