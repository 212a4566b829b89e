package import EngineErrors
import Glibc
import LinuxSystem
package import SystemPackage

/// A namespace of a running container, open: its path means this one as long as the value lives, whatever becomes of
/// the container and its process ids.
package final class HeldNamespace: Sendable {
  package let descriptor: FileDescriptor
  /// A process that was in it when it was opened, the container's first; nil for one that was made.
  package let member: Int32?

  /// Takes over a descriptor.
  package init(_ descriptor: FileDescriptor, member: Int32? = nil) {
    self.descriptor = descriptor
    self.member = member
  }

  deinit { try? descriptor.close() }

  /// For other processes of this service's user, such as its shims.
  package var path: String { "/proc/\(getpid())/fd/\(descriptor.rawValue)" }
}

extension Runner {
  /// Opens a namespace of a container's first process.
  ///
  /// - Parameter kind: one namespace.
  /// - Throws: `conflict` if the container is not running.
  package func namespace(_ kind: LaunchPlan.Namespaces, of id: String) throws(EngineError) -> HeldNamespace {
    do {
      guard let name = kind.fileName else {
        throw EngineError(.internal, "cannot open several namespaces as one")
      }
      let first = try firstProcess(id).named
      let held = HeldNamespace(
        try FileDescriptor.open("/proc/\(first.pid)/ns/\(name)", .readOnly, options: .closeOnExec),
        member: first.pid)
      // The number was still the container's after it was opened, and so it was before.
      let now = try firstProcess(id).named
      guard now.pid == first.pid, now.startTime == first.startTime else { throw notRunning("join", id) }
      return held
    } catch let error as Errno where error == .noSuchFileOrDirectory || error == .noSuchProcess {
      // A process that has ended has none.
      throw notRunning("join", id)
    } catch {
      throw EngineError("join a namespace of container \(id)", wrapping: error, subject: id)
    }
  }
}
