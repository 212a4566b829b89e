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
