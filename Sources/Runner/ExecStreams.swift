import Glibc
import LinuxSystem
import Synchronization
internal import SystemPackage

/// The pipes between a service and an exec session's command. The service's ends are closed with the value.
final class ExecStreams: Sendable {
  /// The command's 0, 1 and 2.
  let theirs: [FileDescriptor]
  let stdin: FileDescriptor?
  let stdout: FileDescriptor
  let stderr: FileDescriptor
  private let theirsAreOpen = Mutex(true)
  private let stdinIsOpen: Mutex<Bool>

  init(openStdin: Bool) throws {
    var made: [FileDescriptor] = []
    func pipe() throws -> (read: FileDescriptor, write: FileDescriptor) {
      let pipe = try makePipe()
      made += [pipe.read, pipe.write]
      return pipe
    }
    do {
      let (output, errors) = (try pipe(), try pipe())
      let input = openStdin ? try pipe() : nil
      theirs = [
        try input?.read ?? FileDescriptor.open("/dev/null", .readOnly, options: .closeOnExec), output.write,
        errors.write,
      ]
      stdin = input?.write
      (stdout, stderr) = (output.read, errors.read)
    } catch {
      for end in made { try? end.close() }
      throw error
    }
    stdinIsOpen = Mutex(openStdin)
  }

  deinit {
    closeTheirs()
    closeStdin()
    try? stdout.close()
    try? stderr.close()
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
}
