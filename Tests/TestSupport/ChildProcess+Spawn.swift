import CLinux
import Glibc
import LinuxSystem
import Synchronization
internal import SystemPackage

/// Everything posix_spawn(3) needs to know.
struct SpawnPlan: Sendable {
  var arguments: [String]
  var environment: [String: String]?
  var input: ChildProcess.Input
  var output: ChildProcess.Output
  var error: ChildProcess.Output

  func start() throws -> StartedChild {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var ours: [FileDescriptor] = []
    var theirs: [FileDescriptor] = []
    defer { for descriptor in theirs { try? descriptor.close() } }
    func connect(_ target: Int32, childReads: Bool, pipe wanted: Bool, inherit: Bool) throws
      -> FileDescriptor?
    {
      if wanted {
        let ends = try FileDescriptor.pipe(options: .closeOnExec)
        theirs.append(childReads ? ends.readEnd : ends.writeEnd)
        ours.append(childReads ? ends.writeEnd : ends.readEnd)
        posix_spawn_file_actions_adddup2(&actions, theirs[theirs.count - 1].rawValue, target)
        return ours.last
      }
      if !inherit {
        posix_spawn_file_actions_addopen(&actions, target, "/dev/null", childReads ? O_RDONLY : O_WRONLY, 0)
      }
      return nil
    }

    do {
      let stdin = try connect(0, childReads: true, pipe: input.needsPipe, inherit: false)
      let stdout = try connect(1, childReads: false, pipe: output.needsPipe, inherit: output.inherits)
      let stderr = try connect(2, childReads: false, pipe: error.needsPipe, inherit: error.inherits)
      // Also what libraries have opened: mmdebstrap fails where the descriptors that it makes get two digits.
      _ = clinux_close_from(3, 1)
      let pid = try spawn(&actions, &attributes)
      return StartedChild(pid: pid, stdin: stdin, stdout: stdout, stderr: stderr)
    } catch {
      for descriptor in ours { try? descriptor.close() }
      throw error
    }
  }

  private func spawn(
    _ actions: inout posix_spawn_file_actions_t, _ attributes: inout posix_spawnattr_t
  ) throws -> Int32 {
    let program = arguments.first ?? ""
    var argv = arguments.map { strdup($0) } + [nil]
    defer { for text in argv { free(text) } }
    let own = environment.map { $0.map { strdup("\($0.key)=\($0.value)") } + [nil] }
    defer { for text in own ?? [] { free(text) } }
    var envp = own ?? currentEnvironment()
    var pid: pid_t = 0
    let failure = posix_spawnp(&pid, program, &actions, &attributes, &argv, &envp)
    guard failure == 0 else { throw SystemError("posix_spawn", Errno(rawValue: failure), on: program) }
    return pid
  }

  private func currentEnvironment() -> [UnsafeMutablePointer<CChar>?] {
    var copy: [UnsafeMutablePointer<CChar>?] = []
    var next = environ
    while let entry = next.pointee {
      copy.append(entry)
      next += 1
    }
    return copy + [nil]
  }
}

extension ChildProcess.Input {
  fileprivate var needsPipe: Bool { if case .empty = self { false } else { true } }
}

extension ChildProcess.Output {
  fileprivate var needsPipe: Bool { self == .capture || self == .pipe }
  fileprivate var inherits: Bool { self == .inherit }
}

/// A child just started and this side of its pipes.
struct StartedChild: Sendable {
  var pid: Int32
  var stdin: FileDescriptor?
  var stdout: FileDescriptor?
  var stderr: FileDescriptor?

  /// Writes all bytes on a thread of its own; a child that does not read them is no error.
  func feed(_ bytes: [UInt8]) {
    guard let stdin else { return }
    Task {
      try await onBlockingThread("child-stdin") {
        try stdin.closeAfter { _ = try stdin.writeAll(bytes) }
      }
    }
  }
}

/// What comes out of a pipe, which is read to its end on a thread of its own, and closed.
final class CapturedOutput: Sendable {
  private let all: SharedBytes
  private let end: Task<Void, any Error>

  init(_ descriptor: FileDescriptor?) {
    let all = SharedBytes()
    self.all = all
    end = Task {
      guard let descriptor else { return }
      try await onBlockingThread("child-output") {
        try descriptor.closeAfter {
          var chunk = [UInt8](repeating: 0, count: 64 << 10)
          while case let count = try chunk.withUnsafeMutableBytes({ try descriptor.read(into: $0) }),
            count > 0
          {
            all.bytes.withLock { $0 += chunk[..<count] }
          }
        }
      }
    }
  }

  /// What has come so far.
  var bytes: [UInt8] { all.bytes.withLock { $0 } }
  /// All of it, once everybody who holds the pipe's other end has closed it.
  var whole: [UInt8] {
    get async throws {
      try await end.value
      return bytes
    }
  }
}

private final class SharedBytes: Sendable {
  let bytes = Mutex<[UInt8]>([])
}

/// Waits for one child. The lock is held while the pid is given up, so a signal never reaches a pid that
/// the kernel has handed to somebody else.
final class Reaper: Sendable {
  private let reaped = Mutex(false)

  /// Starts the child on the thread that then waits for it: PR_SET_PDEATHSIG is tied to the thread that
  /// made the child, and threads of the cooperative pool come and go.
  func start(_ plan: SpawnPlan) async throws -> (StartedChild, Task<ChildProcess.ExitStatus, any Error>) {
    Self.ignoreBrokenPipes
    let (stream, started) = AsyncThrowingStream<StartedChild, any Error>.makeStream()
    let exit = Task {
      do {
        return try await onBlockingThread("child-wait") {
          let child = try plan.start()
          started.yield(child)
          return try self.wait(for: child.pid)
        }
      } catch {
        // Of no thread as well as of no child.
        started.finish(throwing: error)
        throw error
      }
    }
    for try await child in stream { return (child, exit) }
    throw CancellationError()
  }

  func signal(_ signal: Int32, to pid: Int32) {
    reaped.withLock { reaped in
      if !reaped { _ = kill(pid, signal) }
    }
  }

  /// Kills the child and all that descends from it; reads /proc, and is nothing to do often.
  func killTree(of pid: Int32) {
    reaped.withLock { reaped in
      if !reaped { ProcessTree.kill(leader: pid) }
    }
  }

  private func wait(for pid: Int32) throws -> ChildProcess.ExitStatus {
    var info = siginfo_t()
    while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) == -1 {
      guard errno == EINTR else { throw SystemError("waitid", Errno(rawValue: errno)) }
    }
    return reaped.withLock { reaped in
      var status: Int32 = 0
      waitpid(pid, &status, 0)
      reaped = true
      return status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .signalled(status & 0x7f)
    }
  }

  /// Writing to a child that has ended must be an error, not the end of the test runner.
  private static let ignoreBrokenPipes: Void = { _ = Glibc.signal(SIGPIPE, SIG_IGN) }()
}
