import CLinux

/// The bytes that go one way between two sockets. They stay in the kernel: from a socket into a pipe, from it into the
/// other socket (splice(2)).
struct StreamFlow {
  var pipe: SplicePipe?
  /// Bytes in the pipe.
  var held = 0
  /// The source has ended, and the target has been told so; or nothing more goes this way.
  var isEnded = false
  /// The target takes no more. What it sent before that may be on its way still.
  var isCutOff = false

  /// One turn: then others have theirs.
  private static var turn: Int { 8 }

  /// - Returns: false when the source broke, or the system is short of something.
  mutating func pump(from source: CInt, to target: CInt, _ pool: inout PipePool) -> Bool {
    if isEnded { return true }
    for _ in 0..<Self.turn {
      if held == 0 {
        guard let pipe = pipe ?? pool.take() else { return false }
        self.pipe = pipe
        let count = clinux_splice(source, pipe.writeEnd, PipePool.capacity)
        if count <= 0 {
          let error = clinux_errno()
          giveBack(to: &pool)
          if count < 0 { return error == EAGAIN }
          clinux_end_stream(target)
          isEnded = true
          return true
        }
        held = count
      }
      guard let pipe else { return false }
      let count = clinux_splice(pipe.readEnd, target, held)
      if count < 0 { return clinux_errno() == EAGAIN || cutOff(clinux_errno()) }
      held -= count
    }
    if held == 0 { giveBack(to: &pool) }
    return true
  }

  private mutating func cutOff(_ error: CInt) -> Bool {
    if error == ENOMEM || error == ENOBUFS { return false }
    close()
    held = 0
    isEnded = true
    isCutOff = true
    return true
  }

  /// Only an empty pipe is anybody's.
  private mutating func giveBack(to pool: inout PipePool) {
    if let pipe { pool.give(pipe) }
    pipe = nil
  }

  mutating func close() {
    if let pipe { pipe.close() }
    pipe = nil
  }
}

/// A client's connection, and the one in the container that it leads to.
struct Stream {
  var client: CInt
  var inside: CInt
  var port: UInt16
  var isConnected = false
  /// How many ways to connect were tried, of those that `StreamRelay` has.
  var tried: UInt8 = 0
  var up = StreamFlow()
  var down = StreamFlow()
  /// What epoll waits for on them.
  var clientEvents: UInt32 = 0
  var insideEvents: UInt32 = 0
}

/// A forwarder's TCP connections: so many at a time, and the next ones wait in the kernel.
struct StreamRelay {
  private struct Place {
    var generation: UInt32
    /// Of the next free place, counted from 1; 0 is none.
    var nextFree: UInt32
    var stream: Stream?
  }

  private let epoll: CInt
  /// Whether answers to others' addresses come back here.
  private let returnsAnswers: Bool
  private let places: UnsafeMutablePointer<Place>
  private let capacity: Int
  private var end = 0
  private var firstFree: UInt32 = 0
  private var count = 0
  private var pool = PipePool()
  /// A resource was short; until a connection ends, or for a while, no other is taken.
  private(set) var isShort = false

  init(_ epoll: CInt, returnsAnswers: Bool) throws(Failure) {
    self.epoll = epoll
    self.returnsAnswers = returnsAnswers
    // Two sockets each, and a pipe in each direction at worst.
    capacity = max(8, min(4096, Int(truncatingIfNeeded: min(clinux_open_file_limit(), 1 << 20)) / 8))
    places = try mapTable(of: Place.self, capacity)
  }

  var hasRoom: Bool { count < capacity && !isShort }

  mutating func endShortage() { isShort = false }

  mutating func releaseMemory() {
    guard count == 0, end > 0 else { return }
    clinux_release_memory(places, capacity * MemoryLayout<Place>.stride)
    // The list of free places went with it.
    (end, firstFree) = (0, 0)
  }

  /// Takes the connections that wait at a port.
  ///
  /// - Returns: false when no more are to be taken.
  mutating func accept(_ port: Port) -> Bool {
    for _ in 0..<16 {
      guard hasRoom else { return false }
      let client = clinux_accept(port.socket)
      if client < 0 {
        switch clinux_errno() {
        case EMFILE, ENFILE, ENOMEM, ENOBUFS:
          isShort = true
          return false
        default: return true
        }
      }
      clinux_tune_stream(client)
      begin(Stream(client: client, inside: -1, port: port.target))
    }
    return true
  }

  private mutating func begin(_ stream: Stream) {
    var stream = stream
    guard connect(&stream) else { return clinux_reset_stream(stream.client) }
    let index: Int
    if firstFree > 0 {
      index = Int(firstFree) - 1
      firstFree = places[index].nextFree
    } else {
      index = end
      end += 1
    }
    places[index].stream = stream
    count += 1
    if !wait(index, client: 0, inside: CLINUX_WAIT_OUTPUT.rawValue) { fail(index) }
  }

  /// Begins to connect in the next way: with the client's own address, then with the container's, to that of IPv4 and then
  /// that of IPv6. At which of them the container answers is for it to say.
  private func connect(_ stream: inout Stream) -> Bool {
    var own = clinux_own_addresses()
    guard clinux_find_own_addresses(&own) == 0 else { return false }
    while stream.tried < 4 {
      let isNarrow = stream.tried % 2 == 0
      let keepsClient = stream.tried < 2
      stream.tried += 1
      guard isNarrow ? own.v4_interface != 0 : own.v6_interface != 0, !keepsClient || returnsAnswers else {
        continue
      }
      stream.inside =
        isNarrow
        ? connect(stream, &own.v4, 4, keepsClient) : connect(stream, &own.v6, 16, keepsClient)
      if stream.inside >= 0 { return true }
    }
    return false
  }

  private func connect(
    _ stream: Stream, _ address: UnsafeRawPointer, _ length: Int, _ keepsClient: Bool
  ) -> CInt {
    let bytes = address.assumingMemoryBound(to: UInt8.self)
    return keepsClient
      ? clinux_connect_as(stream.client, bytes, length, stream.port)
      : clinux_connect_port(CLINUX_TCP.rawValue, bytes, length, stream.port)
  }

  mutating func progress(_ token: EventToken) {
    let index = token.index
    guard index < end, places[index].generation == token.generation, var stream = places[index].stream else {
      return
    }
    if !stream.isConnected {
      guard clinux_socket_error(stream.inside) == 0 else { return connectElsewhere(index, stream) }
      stream.isConnected = true
      clinux_tune_stream(stream.inside)
    }
    let isWhole =
      stream.up.pump(from: stream.client, to: stream.inside, &pool)
      && stream.down.pump(from: stream.inside, to: stream.client, &pool)
    places[index].stream = stream
    if !isWhole || stream.up.isEnded && stream.down.isEnded {
      return conclude(index, stream, isWhole: isWhole)
    }
    var (client, inside): (UInt32, UInt32) = (0, 0)
    if stream.up.held > 0 {
      inside |= CLINUX_WAIT_OUTPUT.rawValue
    } else if !stream.up.isEnded {
      client |= CLINUX_WAIT_INPUT.rawValue
    }
    if stream.down.held > 0 {
      client |= CLINUX_WAIT_OUTPUT.rawValue
    } else if !stream.down.isEnded {
      inside |= CLINUX_WAIT_INPUT.rawValue
    }
    if !wait(index, client: client, inside: inside) { fail(index) }
  }

  /// A server that answers before it has heard all, and closes, resets its connection: the client gets the answer, and hears
  /// of the reset only where nothing of that is on the way still, since a reset throws it away.
  private mutating func conclude(_ index: Int, _ stream: Stream, isWhole: Bool) {
    let isGraceful =
      switch (stream.up.isCutOff, stream.down.isCutOff) {
      case (false, false): isWhole
      case (true, false): clinux_has_unsent(stream.client) != 0
      case (false, true): clinux_has_unsent(stream.inside) != 0
      case (true, true): false
      }
    if isGraceful { finish(index) } else { fail(index) }
  }

  private mutating func connectElsewhere(_ index: Int, _ stream: Stream) {
    var stream = stream
    _ = close(stream.inside)
    stream.inside = -1
    stream.insideEvents = 0
    let isConnecting = connect(&stream)
    places[index].stream = stream
    if !isConnecting || !wait(index, client: 0, inside: CLINUX_WAIT_OUTPUT.rawValue) { fail(index) }
  }

  /// Tells epoll what a connection waits for now. One without any events is left out: a hang-up would be told again and again.
  private mutating func wait(_ index: Int, client: UInt32, inside: UInt32) -> Bool {
    guard var stream = places[index].stream else { return false }
    let token = EventToken(.stream, index, generation: places[index].generation).bits
    let isDone =
      set(stream.client, token, &stream.clientEvents, client)
      && set(stream.inside, token, &stream.insideEvents, inside)
    places[index].stream = stream
    return isDone
  }

  private func set(_ descriptor: CInt, _ token: UInt64, _ known: inout UInt32, _ wanted: UInt32) -> Bool {
    if known == wanted { return true }
    let isKnown: CInt = known == 0 ? 0 : 1
    known = wanted
    if wanted == 0 { return clinux_epoll_remove(epoll, descriptor) == 0 }
    return clinux_epoll_set(epoll, descriptor, token, wanted, isKnown) == 0
  }

  /// The other side hears that it broke off, too.
  private mutating func fail(_ index: Int) {
    if let stream = places[index].stream {
      clinux_reset_stream(stream.client)
      if stream.inside >= 0 { clinux_reset_stream(stream.inside) }
    }
    free(index)
  }

  private mutating func finish(_ index: Int) {
    if let stream = places[index].stream {
      _ = close(stream.client)
      _ = close(stream.inside)
    }
    free(index)
  }

  private mutating func free(_ index: Int) {
    places[index].stream?.up.close()
    places[index].stream?.down.close()
    places[index].stream = nil
    places[index].generation = places[index].generation &+ 1 & 0xff_ffff
    places[index].nextFree = firstFree
    firstFree = UInt32(index) + 1
    count -= 1
    isShort = false
  }
}
