import CLinux

/// A shim with a process in namespaces of its own, for a container that nobody has asked for yet. It becomes the shim of the first
/// one whose request comes, or ends with its service, and has no name in any file system until then.
struct Spare {
  /// Of a message to the process: the request and its 0, 1 and 2 come first, mounts follow.
  static var streams: Int { 4 }
  static var most: Int { 32 }

  let first: pid_t
  let pidfd: CInt
  /// As a life has it.
  let failures: CInt
  private let socket: CInt
  /// What came from the service; -1 until then.
  private var memory: CInt = -1

  private init(_ request: Request) throws(Failure) {
    // Any directory of the host's, for the process to cover.
    try check(CLINUX_STEP_CHDIR, chdir(request.runDirectory))
    var ends: (CInt, CInt) = (-1, -1)
    try check(
      CLINUX_STEP_SOCKET,
      withUnsafeMutableBytes(of: &ends) {
        clinux_socket_pair($0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CInt.self))
      })
    let errors = try Pipe()
    var pidfd: CInt = -1
    first = try check(CLINUX_STEP_CLONE, clinux_clone3(request.namespaces, &pidfd, -1))
    if first == 0 {
      let child = Child(request, errors: errors.writeEnd)
      child.runAhead(ends.1)
    }
    self.pidfd = pidfd
    failures = errors.readEnd
    socket = ends.0
    _ = close(errors.writeEnd)
    _ = close(ends.1)
  }

  /// Returns when a request has come, with it.
  static func await(_ request: Request, _ status: StatusSocket) throws(Failure) -> (Spare, Request) {
    var spare = try Spare(request)
    var byte: UInt8 = 0
    if clinux_receive(spare.socket, &byte, 1, 1) != 1 {
      var report = clinux_report()
      _ = readFully(spare.failures, &report, MemoryLayout<clinux_report>.size)
      throw Failure(clinux_step(report.step), report.error)
    }
    var report = clinux_report()
    report.kind = CLINUX_REPORT_READY.rawValue
    status.send(report)
    request.releaseMemory()
    clinux_release_program()
    // Its end is the service's, which has no use for it any more.
    guard clinux_receive_descriptors(status.descriptor, &spare.memory, 1) == 1 else { _exit(0) }
    guard let request = Request(descriptor: spare.memory), request.mode == CLINUX_MODE_CONTAINER.rawValue
    else { throw Failure(CLINUX_STEP_REQUEST, EINVAL) }
    return (spare, request)
  }

  /// Sends the process on its way.
  func give(_ streams: Streams, _ mounts: HostMounts) throws(Failure) {
    defer {
      _ = close(memory)
      _ = close(socket)
    }
    guard Self.streams + mounts.count <= Self.most else { throw Failure(CLINUX_STEP_REQUEST, E2BIG) }
    let list = UnsafeMutablePointer<CInt>.allocate(capacity: Self.most)
    defer { list.deallocate() }
    list[0] = memory
    (list[1], list[2], list[3]) = streams.theirs
    for index in 0..<mounts.count { list[Self.streams + index] = mounts[index] }
    try check(CLINUX_STEP_SOCKET, clinux_send_descriptors(socket, list, Self.streams + mounts.count))
  }
}
