import CLinux
import Glibc
import LinuxSystem
import Synchronization
internal import SystemPackage

/// What is between a service and an exec session's command: pipes, or a terminal that the command opens. The service's ends
/// are closed with the value.
final class ExecStreams: Sendable {
  /// The command's 0, 1 and 2.
  let theirs: [FileDescriptor]
  let stdin: FileDescriptor?
  /// Nil for a terminal, as is `stderr`.
  let stdout: FileDescriptor?
  let stderr: FileDescriptor?
  /// Where the command sends its terminal's master.
  private let console: FileDescriptor?
  private let theirsAreOpen = Mutex(true)
  private let stdinIsOpen: Mutex<Bool>

  init(openStdin: Bool, terminal: Bool) throws {
    var made: [FileDescriptor] = []
    func pipe() throws -> (read: FileDescriptor, write: FileDescriptor) {
      let pipe = try makePipe()
      made += [pipe.read, pipe.write]
      return pipe
    }
    func null(_ mode: FileDescriptor.AccessMode) throws -> FileDescriptor {
      let null = try FileDescriptor.open("/dev/null", mode, options: .closeOnExec)
      made.append(null)
      return null
    }
    do {
      if terminal {
        var ends: [CInt] = [-1, -1]
        try call("socketpair") { clinux_socket_pair(&ends) }
        made += ends.map { FileDescriptor(rawValue: $0) }
        console = made[0]
        theirs = [made[1], try null(.writeOnly), try null(.writeOnly)]
        (stdin, stdout, stderr) = (nil, nil, nil)
      } else {
        let (output, errors) = (try pipe(), try pipe())
        let input = openStdin ? try pipe() : nil
        // The command's end is another open file, and blocks.
        try input?.write.setNonBlocking()
        theirs = [try input?.read ?? null(.readOnly), output.write, errors.write]
        (stdin, stdout, stderr) = (input?.write, output.read, errors.read)
        console = nil
      }
    } catch {
      for end in made { try? end.close() }
      throw error
    }
    stdinIsOpen = Mutex(stdin != nil)
  }

  deinit {
    closeTheirs()
    closeStdin()
    for end in [stdout, stderr, console] { try? end?.close() }
  }

  /// To the root of a process's user namespace, which then can give them to the command's user, who may open them anew.
  func give(toRootOf pid: Int32) {
    let user = UserNamespace.map("uid_map", of: pid).first { $0.inside == 0 }
    let group = UserNamespace.map("gid_map", of: pid).first { $0.inside == 0 }
    guard let user, let group else { return }
    for end in theirs { clinux_give_pipe(end.rawValue, user.outside, group.outside) }
  }

  func closeTheirs() {
    theirsAreOpen.withLock { isOpen in
      if isOpen { theirs.forEach { try? $0.close() } }
      isOpen = false
    }
  }

  func closeStdin() {
    stdinIsOpen.withLock { isOpen in
      if isOpen { try? stdin?.close() }
      isOpen = false
    }
  }

  /// The terminal of a command that has been executed, and so has sent it; nil where there are pipes.
  func takeTerminal() throws(SystemError) -> ExecTerminal? {
    guard let console else { return nil }
    var master: CInt = -1
    let count = try call("recvmsg") { clinux_receive_descriptors(console.rawValue, &master, 1) }
    guard count == 1 else { throw SystemError("recvmsg", .connectionReset) }
    return try ExecTerminal(FileDescriptor(rawValue: master))
  }
}
