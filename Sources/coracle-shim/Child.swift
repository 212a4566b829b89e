import CLinux

/// The container's first process, or an exec session's command, between `clone3` and `execve`.
///
/// Runs inside the new namespaces and with the service's privilege until an operation drops it. Host paths are
/// in reach until the root is pivoted; from then on only standard streams and the failure pipe are open.
struct Child {
  var request: Request
  /// Whether the shim starts it by the restart rule: no service says the word for the start.
  let isRestart: Bool
  /// Where a failed operation is reported; close-on-exec, so that its end is the success of exec.
  var errors: CInt
  /// For an OCI runtime: the FIFO that takes the word for the start.
  var start: CInt = -1
  /// Where the shim says that this process is in its control groups; -1 where it was made in one, or has none.
  var groupWord: CInt = -1
  /// Whether this process makes its cgroup namespace itself.
  var makesGroupNamespace = false
  /// The new root (O_PATH or a mount), or -1: then it is the process's own.
  var root: CInt = -1
  /// What was made ahead of the new root, and is entered until that is there (Child+Stage.swift); -1 without one.
  var stage: CInt = -1
  /// Whether the operations for it have been carried out, by a plan of their own.
  var isStaged = false
  /// The directory of the last target, since devices and links come in rows: -1, or the directory of `parentPath`.
  var parent: CInt = -1
  var parentPath: CString?
  var parentLength = 0
  /// An empty read-only tmpfs, made once and cloned for each masked directory.
  var emptyDirectory: CInt = -1
  var umaskOfPayload: mode_t = 0o022
  var hasDirectory = false
  /// How many mounts the shim has made for this process, and the descriptor of the first.
  var hostMounts = 0
  var firstSlot: CUnsignedInt {
    CUnsignedInt(CLINUX_SHIM_STATUS.rawValue) + 1 + CUnsignedInt(request.preserved)
  }
  /// The first descriptor that is none of those that stay.
  var firstFree: CUnsignedInt { firstSlot + CUnsignedInt(hostMounts) }
  var isSealed = false
  /// The number of the operation at hand.
  var operation: UInt32 = 0
  /// Whether the standard streams are a terminal that this process has opened.
  var hasTerminal = false
  /// The kernel's own words about a failed mount.
  var explanation = Explanation()

  init(_ request: Request, errors: CInt, isRestart: Bool = false) {
    self.request = request
    self.isRestart = isRestart
    self.errors = errors
  }

  consuming func run(stdin: CInt, stdout: CInt, stderr: CInt, mounts: HostMounts? = nil) -> Never {
    do throws(Failure) {
      // Modes are given in full by the plan.
      _ = umask(0)
      hostMounts = mounts?.count ?? 0
      try takeStreams(stdin, stdout, stderr, mounts)
      try dieWithShim()
      // Made in its group, or with nothing to do meanwhile: exec sessions.
      if groupWord < 0 || request.mode == CLINUX_MODE_EXEC.rawValue { try awaitGroups() }
    } catch {
      report(error, 0)
      _exit(125)
    }
    perform()
  }

  /// Executes the plan.
  consuming func perform() -> Never {
    do throws(Failure) {
      try performAll()
      throw Failure(CLINUX_STEP_REQUEST, ENOEXEC)
    } catch {
      if errors < 0 { tell(error) } else { report(error, operation) }
      _exit(error.step == CLINUX_STEP_EXECVE ? Child.exitCode(forExec: error.error) : 125)
    }
  }

  mutating func performAll() throws(Failure) {
    var operations = request.operations
    operation = 0
    while operation < request.operationCount {
      guard let (code, fields) = operations.operation() else { throw Failure(CLINUX_STEP_REQUEST, EINVAL) }
      if isStaged {
        isStaged = code != CLINUX_OP_ENTER_STAGE.rawValue
      } else {
        try perform(code, fields)
      }
      operation += 1
    }
  }

  /// The shells' convention: 127 for a command that is not there, 126 for one that cannot be executed.
  static func exitCode(forExec error: CInt) -> CInt { error == ENOENT || error == ENOTDIR ? 127 : 126 }

  /// Descriptors 0, 1 and 2 are the payload's, 3 the failure pipe, 4 the shim's status socket; nothing else stays open.
  private mutating func takeStreams(
    _ stdin: CInt, _ stdout: CInt, _ stderr: CInt, _ mounts: HostMounts?
  ) throws(Failure) {
    // The shim's own 0, 1 and 2 are taken, so that none of these is below 3: no one is overwritten before it is used,
    // but for the failure pipe, which moves last.
    if stdin != 0 { try check(CLINUX_STEP_DUP, dup2(stdin, 0)) }
    if stdout != 1 { try check(CLINUX_STEP_DUP, dup2(stdout, 1)) }
    if stderr != 2 { try check(CLINUX_STEP_DUP, dup2(stderr, 2)) }
    if errors != 3 {
      try check(CLINUX_STEP_DUP, clinux_dup_on_exec_closed(errors, 3))
      errors = 3
    }
    // Out of the way of those that follow.
    if groupWord >= 0 { groupWord = try check(CLINUX_STEP_DUP, clinux_dup_above(groupWord, 128)) }
    if let mounts {
      for slot in 0..<hostMounts {
        try check(CLINUX_STEP_DUP, clinux_dup_on_exec_closed(mounts[slot], CInt(firstSlot) + CInt(slot)))
      }
    }
    if groupWord >= 0 {
      try check(CLINUX_STEP_DUP, clinux_dup_on_exec_closed(groupWord, CInt(firstFree)))
      groupWord = CInt(firstFree)
      _ = clinux_close_from(firstFree + 1, 0)
      return
    }
    _ = clinux_close_from(firstFree, 0)
  }

  /// Asks the kernel to kill this process with the shim, and makes sure that the shim is still there to die.
  ///
  /// Asked again after each change of credentials, which undoes it. getppid() does not tell: the shim has no
  /// pid in a new pid namespace. The failure pipe does: its only reader is the shim.
  func dieWithShim() throws(Failure) {
    // The process of an OCI runtime's caller has no shim.
    if request.isForRuntime { return }
    try check(CLINUX_STEP_PRCTL, clinux_die_with_parent())
    var entry = pollfd(fd: errors, events: 0, revents: 0)
    if poll(&entry, 1, 0) > 0 { throw Failure(CLINUX_STEP_PARENT_ALIVE, ESRCH) }
  }

  /// The word for the start comes on the shim's status socket after that for its request; its end, with the service.
  mutating func awaitStart() throws(Failure) {
    try awaitGroups()
    if isRestart { return }
    var byte: UInt8 = 0
    let count = clinux_receive(CInt(CLINUX_SHIM_STATUS.rawValue), &byte, 1, 1)
    if count != 1 { throw Failure(CLINUX_STEP_AWAIT_START, ECANCELED) }
  }

  func report(_ failure: Failure, _ operation: UInt32) {
    var report = clinux_report()
    report.kind = CLINUX_REPORT_OPERATION_FAILED.rawValue
    report.operation = operation
    report.step = failure.step.rawValue
    report.error = failure.error
    explanation.copy(to: &report)
    _ = write(errors, &report, MemoryLayout<clinux_report>.size)
  }
}
