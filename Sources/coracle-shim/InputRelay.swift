import CLinux

/// Passes bytes from the attach socket to the container's standard input, and new sizes to its terminal.
///
/// What the container does not read yet is held, one packet at most, and no more input is taken from any
/// client: a full pipe stops the writers, and never the drain of the output. New sizes go past what is held.
struct InputRelay {
  /// The pipe or the terminal; -1 while there is none.
  private var target: CInt
  private let isTerminal: Bool
  /// A terminal that nobody may write to has sizes all the same.
  private let takesInput: Bool
  private var isOpen: Bool
  private var listener: CInt = -1
  /// When clients are taken again, after there was no descriptor or no memory for one; since the machine started, in ns, or 0.
  private var shortUntil: UInt64 = 0
  /// The last place is for who comes while all others are taken: a new size is heard there, and nothing else.
  private var clients: InlineArray<17, CInt> = InlineArray(repeating: -1)
  private static var spare: Int { 16 }
  private var packet: UnsafeMutablePointer<UInt8>?
  private var hasSocket = false
  private var next = 0
  private var end = 0
  /// The clients that have input to send while some is held, by bits.
  private var waiting: UInt32 = 0
  /// Whether a terminal's input so far ends with a whole line: then one end-of-file character is an end, else two are.
  private var isAtLineStart = true

  /// - Parameter target: the write end of standard input; -1 if it is /dev/null, or a terminal that is still to come.
  init(_ request: Request, target: CInt) {
    self.target = target
    isTerminal = request.flags & CLINUX_REQUEST_TERMINAL.rawValue != 0
    takesInput = request.flags & CLINUX_REQUEST_STDIN_OPEN.rawValue != 0
    isOpen = isTerminal || takesInput
  }

  mutating func listen() throws(Failure) {
    guard isOpen else { return }
    if target >= 0 { _ = clinux_set_nonblocking(target) }
    guard let memory = clinux_map_memory(Int(CLINUX_ATTACH_PAYLOAD) + 1) else {
      throw Failure(CLINUX_STEP_SOCKET, ENOMEM)
    }
    packet = memory.assumingMemoryBound(to: UInt8.self)
    listener = try check(CLINUX_STEP_SOCKET, clinux_listen_here("attach.sock"))
    hasSocket = true
  }

  /// Clients that came earlier have waited for it.
  mutating func begin(terminal: CInt) { target = terminal }

  func addTo(_ poll: inout PollSet) {
    guard isOpen else { return }
    // Without events POLLERR still tells that the container closed its end.
    poll.add(target, next < end ? POLLOUT : 0)
    if !isShort || clinux_boot_time() >= shortUntil { poll.add(listener, POLLIN) }
    for index in clients.indices where waiting & (1 << UInt32(index)) == 0 {
      poll.add(clients[index], POLLIN)
    }
  }

  mutating func relay(_ poll: PollSet) {
    guard isOpen else { return }
    if poll.isReady(target) {
      if poll.hasError(target) { return finish() }
      flush()
    }
    for index in clients.indices where isOpen && poll.isReady(clients[index]) { receive(index) }
    guard isOpen, poll.isReady(listener) else { return }
    let slot = freeSlot()
    if slot == Self.spare {
      // What it has sent since the poll; who has not sent its size yet comes again.
      if clients[slot] >= 0 { receive(slot) }
      leave(slot)
    }
    clients[slot] = clinux_accept(listener)
    let isRefused = clients[slot] < 0 && clinux_errno() != EAGAIN && clinux_errno() != ECONNABORTED
    shortUntil = isRefused ? clinux_boot_time() + 1_000_000_000 : 0
    if slot == Self.spare, clients[slot] >= 0 { receive(slot) }
  }

  /// Whether somebody has come who cannot be taken yet. Poll would tell of it again and again: so the socket is left out for
  /// a second.
  var isShort: Bool { shortUntil > 0 }

  /// The end of standard input for good: after the last byte, or because the container closed it.
  mutating func finish() {
    for index in clients.indices { leave(index) }
    if listener >= 0 { _ = close(listener) }
    listener = -1
    if target >= 0 { _ = close(target) }
    target = -1
    isOpen = false
    next = 0
    end = 0
    if let packet { clinux_unmap(packet, Int(CLINUX_ATTACH_PAYLOAD) + 1) }
    packet = nil
  }

  func removeSocket() {
    if hasSocket { _ = unlink("attach.sock") }
  }

  private func freeSlot() -> Int {
    for index in clients.indices where clients[index] < 0 { return index }
    return Self.spare
  }

  /// A client that leaves, however, leaves standard input open for the next one.
  private mutating func leave(_ index: Int) {
    if clients[index] >= 0 { _ = close(clients[index]) }
    clients[index] = -1
    waiting &= ~(1 << UInt32(index))
  }

  private mutating func receive(_ index: Int) {
    guard let packet else { return }
    if next < end || index == Self.spare {
      var kind: UInt8 = 0
      let count = clinux_peek(clients[index], &kind, 1)
      if count < 0 && clinux_errno() == EAGAIN { return }
      if count <= 0 { return leave(index) }
      if UInt32(kind) != CLINUX_ATTACH_RESIZE.rawValue {
        if index == Self.spare { return leave(index) }
        waiting |= 1 << UInt32(index)
        return
      }
      var bytes: InlineArray<5, UInt8> = InlineArray(repeating: 0)
      let size = withUnsafeMutableBytes(of: &bytes) {
        clinux_receive(clients[index], $0.baseAddress.unsafelyUnwrapped, 5, 0)
      }
      if size == 5 { withUnsafeBytes(of: &bytes) { resize($0.baseAddress.unsafelyUnwrapped) } }
      return
    }
    let count = clinux_receive(clients[index], packet, Int(CLINUX_ATTACH_PAYLOAD) + 1, 0)
    if count < 0 && (clinux_errno() == EAGAIN) { return }
    guard count > 0 else { return leave(index) }
    switch UInt32(packet[0]) {
    case CLINUX_ATTACH_RESIZE.rawValue:
      if count == 5 { resize(packet) }
    case _ where !takesInput:
      leave(index)
    case CLINUX_ATTACH_INPUT.rawValue:
      hold(1, count)
    case CLINUX_ATTACH_END.rawValue:
      if isTerminal { sendEnd() } else { finish() }
    default:
      break
    }
  }

  private mutating func hold(_ start: Int, _ count: Int) {
    guard let packet, count > start else { return }
    next = start
    end = count
    isAtLineStart = packet[count - 1] == 0x0A || packet[count - 1] == 0x0D
    flush()
  }

  private func resize(_ packet: UnsafeRawPointer) {
    let rows = packet.loadUnaligned(fromByteOffset: 1, as: UInt16.self)
    let columns = packet.loadUnaligned(fromByteOffset: 3, as: UInt16.self)
    if isTerminal { _ = clinux_set_terminal_size(target, UInt32(rows), UInt32(columns)) }
  }

  /// A terminal stays open for the next client: who reads it is told of an end by a character.
  private mutating func sendEnd() {
    var isCanonical: CInt = 0
    let character = clinux_end_character(target, &isCanonical)
    guard let packet, character >= 0 else { return }
    let isTwice = isCanonical != 0 && !isAtLineStart
    packet[1] = UInt8(truncatingIfNeeded: character)
    packet[2] = packet[1]
    hold(1, isTwice ? 3 : 2)
    isAtLineStart = true
  }

  private mutating func flush() {
    guard let packet else { return }
    while next < end {
      let count = write(target, packet + next, end - next)
      if count < 0 && clinux_errno() == EAGAIN { return }
      if count < 0 { return finish() }
      next += count
    }
    next = 0
    end = 0
    waiting = 0
  }
}
