import EngineErrors
import LinuxSystem
import OCIModel
import SystemPackage

/// The standard streams that a process starts with: the caller's own, or, where it has a terminal, the socket that the
/// terminal's master is sent on in the place of standard input.
final class ConsoleStreams {
  let descriptors: [FileDescriptor]
  private let socket: FileDescriptor?

  init(_ process: RuntimeSpec.Process?, _ options: ProcessOptions) throws(EngineError) {
    guard process?.terminal == true else {
      guard options.consoleSocket == nil else {
        throw EngineError(
          .invalidArgument, "cannot use console socket if runc will not detach or allocate tty")
      }
      descriptors = options.streams
      socket = nil
      return
    }
    guard let path = options.consoleSocket else {
      throw EngineError(
        .invalidArgument, "cannot allocate tty if runc will detach without setting console socket",
        hint: "name one with --console-socket")
    }
    do { socket = try connectStream(path) } catch {
      throw EngineError("connect to the console socket", error)
    }
    descriptors = [socket ?? .standardInput] + options.streams.dropFirst()
  }

  deinit { try? socket?.close() }
}
