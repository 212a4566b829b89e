internal import CLinux
internal import Synchronization
package import SystemPackage

/// Tells when a file grows, or a directory gets a new name in it (inotify).
package final class FileChanges: Sendable {
  package let descriptor: FileDescriptor
  private let watch: CInt

  /// Descriptors that watch nothing, for the next. The kernel waits for RCU when one is closed, many milliseconds on a busy
  /// machine; to take a watch away it does not. No more than who works one after the other needs: a user has 128 for all that
  /// they run.
  private static let idle = Mutex<[CInt]>([])
  private static let mostIdle = 2

  /// Watches from now on: read what is there after this, and nothing is missed.
  package init(of path: FilePath) throws(SystemError) {
    let idle = Self.idle.withLock { $0.popLast() }
    let raw = if let idle { idle } else { try call("inotify_init1") { clinux_inotify() } }
    descriptor = FileDescriptor(rawValue: raw)
    do throws(SystemError) {
      watch = try call("inotify_add_watch", on: path.string) {
        path.withPlatformString { clinux_inotify_watch(raw, $0) }
      }
    } catch {
      Self.giveBack(descriptor)
      throw error
    }
  }

  deinit {
    _ = clinux_inotify_remove(descriptor.rawValue, watch)
    // What is told of it still is nothing to the next one; that it was taken away is told as well.
    take()
    Self.giveBack(descriptor)
  }

  private static func giveBack(_ descriptor: FileDescriptor) {
    let isKept = idle.withLock { idle in
      guard idle.count < mostIdle else { return false }
      idle.append(descriptor.rawValue)
      return true
    }
    if !isKept { try? descriptor.close() }
  }

  /// Forgets the changes so far; answers whether there were any.
  @discardableResult
  package func take() -> Bool { clinux_inotify_take(descriptor.rawValue) == 1 }
}
