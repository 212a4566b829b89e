import CLinux
import Glibc
import Synchronization

/// The root file system of a container that is to go, kept for a moment from being taken down with its last mount: the kernel
/// writes out all of the file system that an overlay is on before it takes the overlay down (`ovl_sync_fs`), which takes
/// milliseconds, on a busy disk seconds, and is of use to nobody here. What is mounted in it goes as ever.
package final class HeldRoot: Sendable {
  /// For each a descriptor is open.
  private static let most = 64
  private static let count = Atomic(0)

  private let descriptor: Mutex<CInt>

  /// - Returns: nil where it cannot be had, or there are many already: then it is taken down when its time has come.
  init?(of pid: Int32) {
    guard Self.count.add(1, ordering: .relaxed).newValue <= Self.most else {
      Self.count.subtract(1, ordering: .relaxed)
      return nil
    }
    let root = open("/proc/\(pid)/root", CInt(CLINUX_O_PATH) | O_DIRECTORY | O_CLOEXEC)
    guard root >= 0 else {
      Self.count.subtract(1, ordering: .relaxed)
      return nil
    }
    descriptor = Mutex(root)
  }

  deinit { letGo() }

  /// Blocks for as long as the kernel takes. Does nothing the second time.
  package func letGo() {
    let root = descriptor.withLock { descriptor in
      defer { descriptor = -1 }
      return descriptor
    }
    guard root >= 0 else { return }
    close(root)
    Self.count.subtract(1, ordering: .relaxed)
  }
}
