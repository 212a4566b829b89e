package import EngineErrors
import Glibc
package import LinuxSystem
import SystemPackage

extension Runner {
  /// A running container's root directory, with all that is mounted in it (`/proc/PID/root`, proc(5)).
  ///
  /// - Throws: `EngineError.conflict` if it is not running.
  package func openRoot(_ id: String) throws(EngineError) -> OwnedDescriptor {
    do {
      let first = try firstProcess(id)
      let root = try call("open", on: "/proc/\(first.named.pid)/root") {
        open("/proc/\(first.named.pid)/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      }
      let opened = OwnedDescriptor(FileDescriptor(rawValue: root))
      // Still the same process after that, so it was its root.
      var entry = pollfd(fd: first.process.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
      guard poll(&entry, 1, 0) == 0 else { throw notRunning("reach", id) }
      return opened
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      throw notRunning("reach", id)
    } catch {
      throw EngineError("reach the files of container \(id)", wrapping: error, subject: id)
    }
  }
}
