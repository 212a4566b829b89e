import Glibc
package import SystemPackage

/// A file descriptor that is closed when its owner goes.
package struct OwnedDescriptor: ~Copyable, Sendable {
  private let raw: CInt

  /// Takes over a descriptor that nobody else will close.
  package init(_ descriptor: FileDescriptor) { raw = descriptor.rawValue }

  deinit { close(raw) }

  /// Valid only while the owner lives: name the owner with `let` first, since a temporary one is gone
  /// before the call that `descriptor` is used in.
  package var descriptor: FileDescriptor { FileDescriptor(rawValue: raw) }

  /// Hands the descriptor over: the caller closes it.
  package consuming func release() -> FileDescriptor {
    let descriptor = FileDescriptor(rawValue: raw)
    discard self
    return descriptor
  }
}

extension FileDescriptor {
  /// Another descriptor of the same open file, close-on-exec and the caller's (fcntl(2), F_DUPFD_CLOEXEC).
  package func duplicate() throws(SystemError) -> FileDescriptor {
    FileDescriptor(rawValue: try call("fcntl") { fcntl(rawValue, F_DUPFD_CLOEXEC, 3) })
  }
}
