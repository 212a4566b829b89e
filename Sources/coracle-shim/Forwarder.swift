import CLinux

/// The published ports of one container: listening sockets of the host's network, which services bind and send, and
/// connections in the container's network, which this process is in.
///
/// It ends with the container's shim and whatever becomes of services. The lock `ports.lock` says that it lives. It has the
/// capability to connect with its clients' addresses (CAP_NET_RAW) and no other: bytes that strangers send pass through it.
struct Forwarder {
  private let shim: CInt
  private let epoll: CInt
  private var control: ForwarderControl
  private var ports: PortTable
  private var streams: StreamRelay
  private var datagrams: DatagramRelay
  /// When connections are taken again, after which there were no descriptors or no memory for one; in seconds since the machine
  /// started, or 0.
  private var shortUntil: UInt32 = 0

  init(_ request: Request, _ status: StatusSocket) throws(Failure) {
    try check(CLINUX_STEP_CHDIR, chdir(request.runDirectory))
    let lock = try check(CLINUX_STEP_OPEN, clinux_open("ports.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600))
    try check(CLINUX_STEP_LOCK, clinux_lock_for_life(lock))
    shim = CInt(CLINUX_SHIM_TARGET.rawValue)
    try check(CLINUX_STEP_SETNS, clinux_setns(CInt(CLINUX_FORWARDER_NETWORK), 0x4000_0000))  // CLONE_NEWNET
    // 1 is /dev/null.
    try check(CLINUX_STEP_DUP, dup2(1, CInt(CLINUX_FORWARDER_NETWORK)))
    // Without that, connections come from the container's own address.
    let returnsAnswers = clinux_return_answers() == 0
    _ = clinux_prctl(38, 1, 0)  // PR_SET_NO_NEW_PRIVS
    let raw: UInt64 = returnsAnswers ? 1 << 13 : 0  // CAP_NET_RAW
    try check(CLINUX_STEP_CAPSET, clinux_capset(raw, raw, 0))
    epoll = try check(CLINUX_STEP_SOCKET, clinux_epoll())
    ports = try PortTable(epoll)
    streams = try StreamRelay(epoll, returnsAnswers: returnsAnswers)
    datagrams = try DatagramRelay(epoll)
    control = try ForwarderControl(epoll, status)
    try watch(shim, .shim)
  }

  private func watch(_ descriptor: CInt, _ kind: EventToken.Kind) throws(Failure) {
    let token = EventToken(kind)
    try check(
      CLINUX_STEP_SOCKET,
      clinux_epoll_set(epoll, descriptor, token.bits, CLINUX_WAIT_INPUT.rawValue, 0))
  }

  /// Until the container's shim ends.
  mutating func run() -> Never {
    var tokens: InlineArray<32, UInt64> = InlineArray(repeating: 0)
    var isIdle = false
    while true {
      let patience = !isIdle ? 50 : shortUntil > 0 ? 1000 : datagrams.patience
      let count = withUnsafeMutableBytes(of: &tokens) {
        clinux_epoll_wait_for(
          epoll, $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt64.self), 32, patience)
      }
      if count == 0 {
        // A quiet moment, and the memory that a burst needed is given back.
        if !isIdle {
          streams.releaseMemory()
          datagrams.releaseMemory()
          clinux_release_program()
        }
        isIdle = true
      } else {
        isIdle = false
      }
      for index in 0..<Int(max(count, 0)) { handle(EventToken(bits: tokens[index])) }
      datagrams.expire()
      endShortage()
      ports.setAccepting(streams.hasRoom)
    }
  }

  /// A socket that has a connection to take is told of again and again: so it is not waited for meanwhile.
  private mutating func endShortage() {
    guard streams.isShort || control.isShort else { return shortUntil = 0 }
    if shortUntil == 0 {
      shortUntil = clinux_uptime() + 1
    } else if clinux_uptime() >= shortUntil {
      shortUntil = 0
      streams.endShortage()
      control.endShortage()
    }
  }

  private mutating func handle(_ token: EventToken) {
    switch token.kind {
    case .shim:
      _ = unlink("ports.sock")
      _exit(0)
    case .listener: control.accept()
    case .client:
      if let change = control.receive(token.index) { control.answer(token.index, apply(change)) }
    case .port:
      guard let port = ports.port(token) else { return }
      if port.isDatagram {
        datagrams.receive(port, token.index)
      } else if !streams.accept(port) {
        ports.setAccepting(false)
      }
    case .stream: streams.progress(token)
    case .peer: datagrams.answer(token, ports)
    }
  }

  /// - Returns: 0, or an error number.
  private mutating func apply(_ change: ForwarderControl.Change) -> CInt {
    switch clinux_forward_kind(change.packet.kind) {
    case CLINUX_FORWARD_ADD:
      guard change.descriptor >= 0 else { return EINVAL }
      guard ports.add(change.packet, change.descriptor) else {
        _ = close(change.descriptor)
        return ENOSPC
      }
      return 0
    case CLINUX_FORWARD_REMOVE:
      if change.descriptor >= 0 { _ = close(change.descriptor) }
      guard let index = ports.remove(change.packet) else { return ENOENT }
      // Connections that are there stay until they end; there is nothing to tell peers of a closed one by.
      datagrams.forget(port: index)
      return 0
    default:
      if change.descriptor >= 0 { _ = close(change.descriptor) }
      return EINVAL
    }
  }
}

/// What an event is about, in the 64 bits that epoll keeps with a descriptor. The generation tells a place in a table from
/// its next owner, whom an event of the same batch may still be meant for otherwise.
struct EventToken {
  enum Kind: UInt8 { case shim, listener, client, port, stream, peer }
  let bits: UInt64

  init(bits: UInt64) { self.bits = bits }

  init(_ kind: Kind, _ index: Int = 0, generation: UInt32 = 0) {
    bits =
      UInt64(kind.rawValue) << 56 | UInt64(generation & 0xff_ffff) << 32
      | UInt64(UInt32(truncatingIfNeeded: index))
  }

  var kind: Kind { Kind(rawValue: UInt8(truncatingIfNeeded: bits >> 56)) ?? .shim }
  var index: Int { Int(UInt32(truncatingIfNeeded: bits)) }
  var generation: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) & 0xff_ffff }
}
