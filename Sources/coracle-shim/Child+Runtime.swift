import CLinux

/// What only a process for an OCI runtime's caller does. No shim stays with it: it reports to the creator itself, and lives on
/// when that one ends.
extension Child {
  /// Descriptors 0, 1 and 2 are the caller's, 4 the status socket, and from there on those that it passes on; the FIFO of the
  /// start, the word of the groups and the shim's mounts are somewhere above.
  consuming func runForCaller(_ mounts: HostMounts?) -> Never {
    do throws(Failure) {
      _ = umask(0)
      try check(CLINUX_STEP_SETSID, clinux_setsid())
      start = try place(start, at: 3)
      hostMounts = mounts?.count ?? 0
      if groupWord >= 0 { groupWord = try check(CLINUX_STEP_DUP, clinux_dup_above(groupWord, 128)) }
      if let mounts {
        for slot in 0..<hostMounts { _ = try place(mounts[slot], at: CInt(firstSlot) + CInt(slot)) }
      }
      groupWord = try place(groupWord, at: CInt(firstFree))
      _ = clinux_close_from(firstFree + (groupWord >= 0 ? 1 : 0), 0)
      if request.mode == CLINUX_MODE_RUNTIME_EXEC.rawValue { try awaitGroups() }
    } catch {
      report(error, 0)
      _exit(125)
    }
    perform()
  }

  private func place(_ descriptor: CInt, at number: CInt) throws(Failure) -> CInt {
    if descriptor < 0 || descriptor == number { return descriptor }
    return try check(CLINUX_STEP_DUP, clinux_dup_on_exec_closed(descriptor, number))
  }

  /// Gives what the caller passes on the numbers from 3 on, and moves what stays until exec out of their way.
  mutating func placePreserved() throws(Failure) {
    let count = request.preserved
    if count == 0 { return }
    let first = CInt(CLINUX_SHIM_STATUS.rawValue) + 1
    if start >= 0 { start = try check(CLINUX_STEP_DUP, clinux_dup_above(start, first + count)) }
    if errors >= 0 { errors = try check(CLINUX_STEP_DUP, clinux_dup_above(errors, first + count)) }
    // Upwards: each goes to a lower number than its own.
    for index in 0..<count { try check(CLINUX_STEP_DUP, dup2(first + index, 3 + index)) }
  }

  /// Says that the operation at hand has come, and waits for the creator's word.
  mutating func awaitCreator(_ operation: UInt32) throws(Failure) {
    var report = clinux_report()
    report.kind = CLINUX_REPORT_WAITING.rawValue
    report.operation = operation
    _ = clinux_send(errors, &report, MemoryLayout<clinux_report>.size, 1)
    try awaitWord()
  }

  private func awaitWord() throws(Failure) {
    var byte: UInt8 = 0
    // The creator may end, or hang up: then nothing is to start.
    if clinux_receive(errors, &byte, 1, 1) != 1 { throw Failure(CLINUX_STEP_AWAIT_START, ECANCELED) }
  }

  /// Says that all is made, and waits for the byte that `coracle-runtime start` writes; the FIFO stays open until exec, by
  /// which the writer sees that.
  mutating func awaitRelease() throws(Failure) {
    var report = clinux_report()
    report.kind = CLINUX_REPORT_CREATED.rawValue
    _ = clinux_send(errors, &report, MemoryLayout<clinux_report>.size, 1)
    _ = close(errors)
    errors = -1
    var byte: UInt8 = 0
    if readFully(start, &byte, 1) != 1 { throw Failure(CLINUX_STEP_AWAIT_START, ECANCELED) }
  }

  /// Fails as `execute` would, while the creator still listens.
  func findCommand(_ fields: inout Fields) throws(Failure) {
    let command = try fields.takeString()
    let path = try fields.takeString()
    if command[0] == 0 { throw Failure(CLINUX_STEP_FIND_COMMAND, ENOENT) }
    if strchr(command, CInt(slash)) != nil {
      let error = clinux_executable_error(command)
      if error != 0 { throw Failure(CLINUX_STEP_FIND_COMMAND, error) }
      return
    }
    var reason = ENOENT
    var candidates = CommandCandidates(command, in: path)
    while let candidate = candidates.nextPath() {
      let error = clinux_executable_error(candidate)
      if error == 0 { return }
      if error == EACCES { reason = EACCES }
    }
    throw Failure(CLINUX_STEP_FIND_COMMAND, reason)
  }

  /// The state's text has a gap for this process's number, as the container counts.
  mutating func runHook(_ fields: inout Fields) throws(Failure) {
    let path = try fields.takeString()
    let arguments = try pointers(&fields)
    let environment = try pointers(&fields)
    let timeout = CInt(truncatingIfNeeded: Int64(bitPattern: try fields.takeNumber()))
    let before = try fields.takeBytes()
    let after = try fields.takeBytes()
    let capacity = before.count + after.count + 24
    let state = UnsafeMutablePointer<CChar>.allocate(capacity: capacity)
    defer { state.deallocate() }
    var number = PathText()
    number.add(number: UInt64(getpid()))
    var count = 0
    for part in [before, UnsafeRawBufferPointer(start: number.cString, count: number.count), after] {
      guard let start = part.baseAddress else { continue }
      memcpy(state + count, start, part.count)
      count += part.count
    }
    var waitStatus: CInt = 0
    let result = arguments.withMemoryRebound(to: CString?.self, capacity: 1) { arguments in
      environment.withMemoryRebound(to: CString?.self, capacity: 1) { environment in
        clinux_run_hook(path, arguments, environment, state, count, timeout, &waitStatus)
      }
    }
    try check(CLINUX_STEP_HOOK, result)
    if waitStatus != 0 { throw Failure(CLINUX_STEP_HOOK, ECANCELED) }
  }

  /// For a failure when nobody waits for a report any more: the person finds it where the command would have written.
  func tell(_ failure: Failure) {
    var text = PathText()
    text.add("coracle-runtime: ")
    text.add(string: clinux_step_name(failure.step.rawValue))
    text.add(": ")
    text.add(string: strerror(failure.error))
    text.add("\n")
    _ = write(2, text.cString, text.count)
  }
}
