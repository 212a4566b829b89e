package import SystemPackage
package import Testing

/// A program that a test started: its pid, its streams and its end.
///
/// The child gets an empty signal mask, default signal actions, and no descriptors but its streams. It is reaped as soon as it ends, whether or not anybody waits.
package final class ChildProcess: Sendable {
  /// What the child reads from its standard input.
  package enum Input: Sendable {
    /// End of file at once.
    case empty
    /// These bytes, then end of file.
    case bytes([UInt8])
    /// What the test writes to `standardInput`, which the test closes.
    case pipe
  }

  /// Where the child's standard output or error goes.
  package enum Output: Sendable {
    /// Kept in memory whole, given back by `waitForExit`.
    case capture
    /// Read by the test from `standardOutput` or `standardError`, which the test closes.
    case pipe
    /// To the test runner's own.
    case inherit
    case discard
  }

  package enum ExitStatus: Hashable, Sendable {
    case exited(Int32)
    case signalled(Int32)
  }

  package struct Result: Sendable, CustomTestStringConvertible {
    package var status: ExitStatus
    /// Empty unless captured.
    package var stdout: [UInt8]
    package var stderr: [UInt8]

    package var succeeded: Bool { status == .exited(0) }
    /// Standard output as text; bytes that are no UTF-8 are replaced.
    package var text: String { String(decoding: stdout, as: UTF8.self) }
    package var errorText: String { String(decoding: stderr, as: UTF8.self) }
    package var testDescription: String { "\(status), stdout: \(text), stderr: \(errorText)" }
  }

  package let pid: Int32
  package let standardInput: FileDescriptor?
  package let standardOutput: FileDescriptor?
  package let standardError: FileDescriptor?
  private let reaper: Reaper
  private let exit: Task<ExitStatus, any Error>
  private let capturedOutput: CapturedOutput
  private let capturedError: CapturedOutput
  private let arguments: [String]

  init(
    _ arguments: [String], started: StartedChild, reaper: Reaper, exit: Task<ExitStatus, any Error>,
    input: Input,
    output: Output, error: Output
  ) {
    self.arguments = arguments
    pid = started.pid
    self.reaper = reaper
    self.exit = exit
    standardInput = if case .pipe = input { started.stdin } else { nil }
    standardOutput = if case .pipe = output { started.stdout } else { nil }
    standardError = if case .pipe = error { started.stderr } else { nil }
    if case .bytes(let bytes) = input { started.feed(bytes) }
    capturedOutput = CapturedOutput(output == .capture ? started.stdout : nil)
    capturedError = CapturedOutput(error == .capture ? started.stderr : nil)
  }

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - arguments: the program, looked up in PATH where it has no slash, and its arguments.
  ///   - environment: the child's whole environment; nil means the test runner's.
  ///   - diesWithTests: the kernel kills the child when the test runner ends (through setpriv(1)), so a
  ///     crashed test leaves no server behind.
  ///   - workingDirectory: set through env(1); with it, or with `diesWithTests`, a program that cannot be
  ///     started shows as exit status 126 or 127.
  /// - Throws: `SystemError` naming posix_spawn when the program cannot be started.
  package static func spawn(
    _ arguments: [String], environment: [String: String]? = nil, workingDirectory: FilePath? = nil,
    input: Input = .empty, output: Output = .capture, error: Output = .capture,
    diesWithTests: Bool = false
  ) async throws -> ChildProcess {
    let plan = SpawnPlan(
      arguments: (diesWithTests ? ["setpriv", "--pdeathsig", "KILL", "--"] : [])
        + (workingDirectory.map { ["env", "-C", $0.string, "--"] } ?? []) + arguments,
      environment: environment, input: input, output: output, error: error)
    let reaper = Reaper()
    let (started, exit) = try await reaper.start(plan)
    return ChildProcess(
      arguments, started: started, reaper: reaper, exit: exit, input: input, output: output, error: error)
  }

  /// Starts a program and waits for its end.
  package static func run(
    _ arguments: [String], environment: [String: String]? = nil, workingDirectory: FilePath? = nil,
    input: Input = .empty, patience: Duration = Patience.program
  ) async throws -> Result {
    try await spawn(
      arguments, environment: environment, workingDirectory: workingDirectory, input: input
    ).waitForExit(patience: patience)
  }

  /// Waits until the child has ended and captured streams are closed by everyone who holds them.
  ///
  /// - Throws: `TestFailure` with what it has written so far where the patience ends first; the child is killed then, with all
  ///   that descend from it.
  package func waitForExit(patience: Duration = Patience.program) async throws -> Result {
    do {
      return try await withPatience(patience) { [self] in
        let status = try await exit.value
        return Result(
          status: status, stdout: try await capturedOutput.whole, stderr: try await capturedError.whole)
      }
    } catch let error as OutOfPatience {
      reaper.killTree(of: pid)
      func text(_ output: CapturedOutput) -> String {
        String(decoding: output.bytes.suffix(8192), as: UTF8.self)
      }
      throw TestFailure(
        "waited in vain (\(error.limit)) for the end of \(arguments), or of who holds its output. Output:\n"
          + text(capturedOutput) + "\nErrors:\n" + text(capturedError))
    }
  }

  /// Sends a signal to this child; does nothing once it has ended, so no other process is ever hit.
  package func signal(_ signal: Int32) {
    reaper.signal(signal, to: pid)
  }
}
