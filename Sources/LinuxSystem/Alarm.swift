internal import CLinux
package import SystemPackage

/// A moment to be waited for together with other things (timerfd_create(2)).
package final class Alarm: Sendable {
  /// Readable from that moment on.
  package let descriptor: FileDescriptor

  /// - Parameter time: in ns since 1970.
  package init(at time: UInt64) throws(SystemError) {
    descriptor = FileDescriptor(rawValue: try call("timerfd_create") { clinux_alarm(time) })
  }

  deinit { try? descriptor.close() }
}
