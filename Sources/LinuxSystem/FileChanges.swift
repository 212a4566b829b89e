internal import CLinux
package import SystemPackage

/// Tells when a file grows, or a directory gets a new name in it (inotify).
package final class FileChanges: Sendable {
  package let descriptor: FileDescriptor

  /// Watches from now on: read what is there after this, and nothing is missed.
  package init(of path: FilePath) throws(SystemError) {
    descriptor = FileDescriptor(
      rawValue: try call("inotify_add_watch", on: path.string) {
        path.withPlatformString { clinux_inotify($0) }
      })
  }

  deinit { try? descriptor.close() }

  /// Forgets the changes so far; answers whether there were any.
  @discardableResult
  package func take() -> Bool { clinux_inotify_take(descriptor.rawValue) == 1 }
}
