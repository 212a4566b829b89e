package import SystemPackage

/// A system call that failed: which call, on what, and the kernel's reason.
///
/// `EngineErrors` alone turns it into the kinds that clients see.
package struct SystemError: Error, Sendable, CustomStringConvertible {
  /// The system call's own name, such as `openat2`.
  package var call: String
  package var errno: Errno
  /// The path or other object the call was about, where there is one.
  package var subject: String?

  package init(_ call: String, _ errno: Errno, on subject: String? = nil) {
    self.call = call
    self.errno = errno
    self.subject = subject
  }

  package var description: String {
    if let subject { "\(call) \(subject): \(errno)" } else { "\(call): \(errno)" }
  }
}
