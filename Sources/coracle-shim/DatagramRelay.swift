import CLinux

/// Who sends datagrams to a port, with a socket in the container for each, so that an answer is told from another's. One that
/// is quiet for a while is forgotten, or before that when there are too many.
struct DatagramRelay {
  private struct Peer {
    var peer: clinux_peer
    var port: Int
    /// -1 for a free place.
    var socket: CInt
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
      guard let socket = socket(of: &peer, index, port) else { continue }
      if clinux_send(socket, buffer, size, 0) < 0, clinux_errno() == ECONNREFUSED {
        // The word of an earlier one, told only now.
        _ = clinux_send(socket, buffer, size, 0)
      }
    }
  }

  private mutating func socket(of peer: inout clinux_peer, _ index: Int, _ port: Port) -> CInt? {
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
        return peers[place].socket
      } else if peers[oldest].socket < 0 || peers[place].lastSeen < peers[oldest].lastSeen {
        oldest = place
      }
    }
    if free == nil, end == Self.capacity {
      forget(oldest)
      free = oldest
    }
    let place = free ?? end
    var own = clinux_own_addresses()
    guard clinux_find_own_addresses(&own) == 0 else { return nil }
    let socket =
      own.v4_interface != 0
      ? clinux_connect_port(CLINUX_UDP.rawValue, &own.v4, 4, port.target)
      : own.v6_interface != 0 ? clinux_connect_port(CLINUX_UDP.rawValue, &own.v6, 16, port.target) : -1
    guard socket >= 0 else { return nil }
    let generation = place < end ? peers[place].generation &+ 1 & 0xff_ffff : 0
    let token = EventToken(.peer, place, generation: generation)
    guard clinux_epoll_set(epoll, socket, token.bits, CLINUX_WAIT_INPUT.rawValue, 0) == 0 else {
      _ = close(socket)
      return nil
    }
    peers[place] = Peer(peer: peer, port: index, socket: socket, generation: generation, lastSeen: now)
    end = max(end, place + 1)
    count += 1
    return socket
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
