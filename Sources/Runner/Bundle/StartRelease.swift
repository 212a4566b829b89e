package import EngineErrors
import Glibc
package import LinuxSystem
package import SystemPackage

/// The FIFO by which a created container is told to start (`CLINUX_START_FIFO`). It is there as long as the container is
/// created and not started.
package struct StartRelease {
  private let path: FilePath

  /// - Parameter directory: the container's state directory.
  package init(directory: FilePath) { path = directory.appending("exec.fifo") }

  package func make() throws(SystemError) {
    try call("mkfifo", on: path.string) { mkfifo(path.string, 0o600) }
  }

  /// Lets the container's process go on, and returns when it has executed its command, or has ended.
  ///
  /// - Parameter released: called when it goes on; from then on nobody else can start it.
  /// - Throws: `conflict` when it has been started before, or has ended.
  package func release(_ released: () -> Void = {}) throws(EngineError) {
    do {
      let fifo = try call("open", on: path.string) {
        open(path.string, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW)
      }
      defer { close(fifo) }
      unlink(path.string)
      var byte: UInt8 = 1
      try call("write", on: path.string) { write(fifo, &byte, 1) }
      released()
      // The process holds the reading end until exec: an error without an event asked for is its going.
      var entry = pollfd(fd: fifo, events: 0, revents: 0)
      try call("poll") { poll(&entry, 1, -1) }
    } catch  where error.errno == .noSuchFileOrDirectory {
      throw EngineError(.conflict, "cannot start an already running container")
    } catch  where error.errno == .noSuchAddressOrDevice {
      throw EngineError(.conflict, "cannot start a container that has stopped")
    } catch {
      throw EngineError("start the container", error)
    }
  }
}
