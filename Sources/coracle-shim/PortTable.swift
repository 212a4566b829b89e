import CLinux

/// A port of the host's that leads to one of the container's.
struct Port {
  var packet: clinux_forward
  /// -1 for a free place.
  var socket: CInt
  var generation: UInt32

  var isDatagram: Bool { packet.protocol == CLINUX_UDP.rawValue }
  var target: UInt16 { packet.container_port }
}

/// A forwarder's ports.
struct PortTable {
  static var capacity: Int { 1024 }
  private let epoll: CInt
  private let ports: UnsafeMutablePointer<Port>
  /// Behind the last one that was ever used.
  private var end = 0
  private var isAccepting = true

  init(_ epoll: CInt) throws(Failure) {
    self.epoll = epoll
    ports = try mapTable(of: Port.self, Self.capacity)
  }

  func port(_ token: EventToken) -> Port? {
    let port = ports[token.index]
    return port.socket >= 0 && port.generation == token.generation ? port : nil
  }

  func socket(_ index: Int) -> CInt { ports[index].socket }

  /// - Returns: false where there is no room; the descriptor stays the caller's then.
  mutating func add(_ packet: clinux_forward, _ socket: CInt) -> Bool {
    var index = 0
    while index < end, ports[index].socket >= 0 { index += 1 }
    guard index < Self.capacity else { return false }
    let generation = index < end ? ports[index].generation &+ 1 & 0xff_ffff : 0
    let port = Port(packet: packet, socket: socket, generation: generation)
    guard
      clinux_epoll_set(
        epoll, socket, EventToken(.port, index, generation: generation).bits, events(port), 0) == 0
    else { return false }
    ports[index] = port
    end = max(end, index + 1)
    return true
  }

  /// Gives the port of the host back.
  ///
  /// - Returns: its place in the table; nil where there is no such port.
  mutating func remove(_ packet: clinux_forward) -> Int? {
    for index in 0..<end where ports[index].socket >= 0 {
      var (found, wanted) = (ports[index].packet, packet)
      guard found.protocol == wanted.protocol, found.host_port == wanted.host_port,
        memcmp(&found.host_address, &wanted.host_address, 16) == 0
      else { continue }
      _ = close(ports[index].socket)
      ports[index].socket = -1
      return index
    }
    return nil
  }

  /// Whether connections are taken; those that come meanwhile wait in the kernel.
  mutating func setAccepting(_ accepts: Bool) {
    guard accepts != isAccepting else { return }
    isAccepting = accepts
    for index in 0..<end where ports[index].socket >= 0 && !ports[index].isDatagram {
      let token = EventToken(.port, index, generation: ports[index].generation)
      _ = clinux_epoll_set(epoll, ports[index].socket, token.bits, events(ports[index]), 1)
    }
  }

  private func events(_ port: Port) -> UInt32 {
    port.isDatagram || isAccepting ? CLINUX_WAIT_INPUT.rawValue : 0
  }
}

/// Zeroed memory for a table, which takes up what is touched of it.
func mapTable<Element>(of type: Element.Type, _ capacity: Int) throws(Failure) -> UnsafeMutablePointer<
  Element
> {
  guard let memory = clinux_map_memory(capacity * MemoryLayout<Element>.stride) else {
    throw Failure(CLINUX_STEP_SOCKET, ENOMEM)
  }
  return memory.assumingMemoryBound(to: Element.self)
}
