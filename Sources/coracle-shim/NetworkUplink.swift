import CLinux

/// Runs the program that connects a user's networks to the outside, such as pasta, and runs it again where it ends: pasta of
/// Debian 12 dies when a TCP stream's sequence numbers start over, as they do once in 4 GiB, while packets of it are missing.
///
/// A process of its own, since the program is to be in the host's network, which its keeper has left for good.
struct NetworkUplink {
  private let arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

  /// In the process, a child of the keeper's, with the network namespace as its standard input.
  init(_ request: Request) throws(Failure) {
    _ = clinux_die_with_parent()
    var operations = request.operations
    guard let (code, fields) = operations.operation(), clinux_operation_code(code) == CLINUX_OP_EXECUTE else {
      throw Failure(CLINUX_STEP_REQUEST, EINVAL)
    }
    var words = fields
    let child = Child(request, errors: -1)
    arguments = try child.pointers(&words)
    environment = try child.pointers(&words)
    let output = CInt(CLINUX_SHIM_TARGET.rawValue)
    try check(CLINUX_STEP_DUP, dup2(output, 1))
    try check(CLINUX_STEP_DUP, dup2(output, 2))
    _ = clinux_close_from(3, 0)
    clinux_reset_internal_signals()
    _ = clinux_block_signals(0)
  }

  /// Without an end of its own, once the network was whole: its keeper sees when nobody needs it any more.
  func run() -> Never {
    runOnce(output: 1)
    // With this name the network is whole, and a program that was ready and has ended is run again. What keeps one from becoming
    // ready at all is the service's to tell, who hears of it by the end of the output.
    guard silence(), isWhole() else { _exit(0) }
    var pause: CInt = 0
    while true {
      let start = clinux_uptime()
      runOnce(output: 1)
      // As where the machine has no default route for a while, without which pasta does not start.
      pause = clinux_uptime() - start >= Self.enough ? 0 : min(max(Self.shortest, pause * 2), Self.longest)
      _ = poll(nil, 0, pause)
    }
  }

  /// Seconds: after a life of that length it is run again at once.
  private static var enough: UInt32 { 10 }
  /// In ms.
  private static var shortest: CInt { 100 }
  private static var longest: CInt { 10_000 }

  /// Who waited for the program needs a moment to give the network its name.
  private func isWhole() -> Bool {
    for _ in 0..<1500 {
      if access("users", F_OK) == 0 { return true }
      _ = poll(nil, 0, 20)
    }
    return false
  }

  /// What it says from now on nobody reads any more.
  private func silence() -> Bool {
    let null = clinux_open("/dev/null", O_RDWR | O_CLOEXEC, 0)
    return null >= 0 && dup2(null, 1) == 1 && dup2(null, 2) == 2
  }

  private func runOnce(output: CInt) {
    do throws(Failure) { awaitEnd(try start(output: output)) } catch {}
  }

  /// - Returns: its descriptor.
  private func start(output: CInt) throws(Failure) -> CInt {
    let pid = try check(CLINUX_STEP_FORK, clinux_fork())
    if pid == 0 {
      _ = clinux_die_with_parent()
      if dup2(output, 1) == 1, let command = arguments[0] { _ = execve(command, arguments, environment) }
      _exit(127)
    }
    clinux_release_program()
    return try check(CLINUX_STEP_CLONE, clinux_pidfd_open(pid))
  }

  private func awaitEnd(_ program: CInt) {
    var status: CInt = 0
    _ = clinux_wait_pidfd(program, &status, 0, 0)
    _ = close(program)
  }
}
