import CLinux

/// Who sends datagrams to a port, with a socket in the container for each, so that an answer is told from another's. One that
/// is quiet for a while is forgotten, or before that when there are too many.
struct DatagramRelay {
  private struct Peer {
    var peer: clinux_peer
    var port: Int
    /// -1 for a free place.
    var socket: CInt
    /// 4 or 6, by which it leads there.
    var version: UInt8
    var hasAnswer: Bool
    var generation: UInt32
    /// Seconds since the machine started.
    var lastSeen: UInt32
  }
  private static var capacity: Int { 512 }
  /// Seconds, as docker has it.
  private static var life: UInt32 { 90 }
  private static var largest: Int { 65536 }

  private let epoll: CInt
  private let peers: UnsafeMutablePointer<Peer>
  private let buffer: UnsafeMutableRawPointer
  private var end = 0
  private var count = 0
  private var nextLook: UInt32 = 0

  init(_ epoll: CInt) throws(Failure) {
    self.epoll = epoll
    peers = try mapTable(of: Peer.self, Self.capacity)
    buffer = UnsafeMutableRawPointer(try mapTable(of: UInt8.self, Self.largest))
  }

  /// How long nothing need be done here, in ms; -1 for any time.
  var patience: CInt { count == 0 ? -1 : CInt(Self.life) * 1000 / 3 }

  mutating func releaseMemory() {
    guard end > 0 else { return }
    clinux_release_memory(buffer, Self.largest)
    if count > 0 { return }
    end = 0
    clinux_release_memory(peers, Self.capacity * MemoryLayout<Peer>.stride)
  }

  /// Passes on what has come to a port.
  mutating func receive(_ port: Port, _ index: Int) {
    for _ in 0..<32 {
      var peer = clinux_peer()
      let size = clinux_receive_datagram(port.socket, buffer, Self.largest, &peer)
      if size < 0 { return }
      guard let place = place(of: &peer, index, port) else { continue }
      let error = pass(size, to: place)
      if error != 0, connectAnew(place, port, error) { _ = pass(size, to: place) }
    }
  }

  /// - Returns: 0, or why the way there is of no use.
  private func pass(_ size: Int, to place: Int) -> CInt {
    let socket = peers[place].socket
    var sent = clinux_send(socket, buffer, size, 0)
    // The word of an earlier one, told only now.
    if sent < 0, clinux_errno() == ECONNREFUSED { sent = clinux_send(socket, buffer, size, 0) }
    if sent >= 0 {
      // Where nobody listens that is told at once, since it is in this network.
      return peers[place].hasAnswer ? 0 : clinux_socket_error(socket)
    }
    switch clinux_errno() {
    // Too much at once, or too large: there is no better way.
    case EAGAIN, ENOBUFS, ENOMEM, EMSGSIZE: return 0
    case let error: return error
    }
  }

  /// A peer's next way there: to another address than the one that has gone from the container, or to that of IPv6 where nobody
  /// listens at that of IPv4, and back.
  private func connectAnew(_ place: Int, _ port: Port, _ error: CInt) -> Bool {
    let isRefused = error == ECONNREFUSED
    let former = peers[place].version
    guard let (socket, version) = connect(port, avoiding: isRefused ? former : 0) else { return false }
    let token = EventToken(.peer, place, generation: peers[place].generation)
    guard !isRefused || version != former,
      clinux_epoll_set(epoll, socket, token.bits, CLINUX_WAIT_INPUT.rawValue, 0) == 0
    else {
      _ = close(socket)
      return false
    }
    _ = close(peers[place].socket)
    peers[place].socket = socket
    peers[place].version = version
    peers[place].hasAnswer = false
    return true
  }

  /// - Parameter avoided: a version of IP that is taken only where there is no other.
  private func connect(_ port: Port, avoiding avoided: UInt8) -> (socket: CInt, version: UInt8)? {
    var own = clinux_own_addresses()
    guard clinux_find_own_addresses(&own) == 0 else { return nil }
    let hasBoth = own.v4_interface != 0 && own.v6_interface != 0
    let version: UInt8 = hasBoth ? (avoided == 4 ? 6 : 4) : own.v4_interface != 0 ? 4 : 6
    let socket =
      version == 4
      ? clinux_connect_port(CLINUX_UDP.rawValue, &own.v4, 4, port.target)
      : own.v6_interface != 0 ? clinux_connect_port(CLINUX_UDP.rawValue, &own.v6, 16, port.target) : -1
    return socket < 0 ? nil : (socket, version)
  }

  private mutating func place(of peer: inout clinux_peer, _ index: Int, _ port: Port) -> Int? {
    let now = clinux_uptime()
    var free: Int?
    var oldest = 0
    for place in 0..<end {
      if peers[place].socket < 0 {
        free = place
      } else if peers[place].port == index,
        memcmp(&peers[place].peer, &peer, MemoryLayout<clinux_peer>.size) == 0
      {
        peers[place].lastSeen = now
        return place
      } else if peers[oldest].socket < 0 || peers[place].lastSeen < peers[oldest].lastSeen {
        oldest = place
      }
    }
    if free == nil, end == Self.capacity {
      forget(oldest)
      free = oldest
    }
    let place = free ?? end
    guard let (socket, version) = connect(port, avoiding: 0) else { return nil }
    let generation = place < end ? peers[place].generation &+ 1 & 0xff_ffff : 0
    let token = EventToken(.peer, place, generation: generation)
    guard clinux_epoll_set(epoll, socket, token.bits, CLINUX_WAIT_INPUT.rawValue, 0) == 0 else {
      _ = close(socket)
      return nil
    }
    peers[place] = Peer(
      peer: peer, port: index, socket: socket, version: version, hasAnswer: false, generation: generation,
      lastSeen: now)
    end = max(end, place + 1)
    count += 1
    return place
  }

  /// Passes on what the container answers.
  mutating func answer(_ token: EventToken, _ ports: PortTable) {
    let place = token.index
    guard place < end, peers[place].socket >= 0, peers[place].generation == token.generation else { return }
    for _ in 0..<32 {
      let size = clinux_receive(peers[place].socket, buffer, Self.largest, 0)
      // Nobody listens there: that was the error, and it is taken.
      if size < 0 { return }
      peers[place].lastSeen = clinux_uptime()
      peers[place].hasAnswer = true
      _ = clinux_send_datagram(ports.socket(peers[place].port), buffer, size, &peers[place].peer)
    }
  }

  mutating func forget(port: Int) {
    for place in 0..<end where peers[place].socket >= 0 && peers[place].port == port { forget(place) }
  }

  mutating func expire() {
    guard count > 0 else { return }
    let now = clinux_uptime()
    guard now >= nextLook else { return }
    nextLook = now + Self.life / 3
    for place in 0..<end where peers[place].socket >= 0 && now - peers[place].lastSeen >= Self.life {
      forget(place)
    }
  }

  private mutating func forget(_ place: Int) {
    _ = close(peers[place].socket)
    peers[place].socket = -1
    count -= 1
  }
}
