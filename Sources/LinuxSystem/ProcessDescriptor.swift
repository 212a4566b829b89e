internal import CLinux
package import SystemPackage

/// A process by descriptor (pidfd), which never comes to mean another process as a number does.
///
/// The descriptor is closed with the value.
package final class ProcessDescriptor: Sendable {
  package let descriptor: FileDescriptor

  /// Opens a living process, or one that has ended and was not yet waited for (`pidfd_open`).
  ///
  /// - Throws: `SystemError` with `noSuchProcess` if there is none.
  package init(pid: CInt) throws(SystemError) {
    descriptor = FileDescriptor(
      rawValue: try call("pidfd_open", on: "\(pid)") { clinux_pidfd_open(pid) })
  }

  deinit { try? descriptor.close() }

  /// Sends a signal (`pidfd_send_signal`).
  package func signal(_ signal: CInt) throws(SystemError) {
    try call("pidfd_send_signal") { clinux_pidfd_signal(descriptor.rawValue, signal) }
  }

  /// Waits for the end of a child of this process and reaps it (`waitid`); blocks.
  package func reap() throws(SystemError) -> WaitStatus {
    var status: CInt = 0
    try call("waitid") { clinux_wait_pidfd(descriptor.rawValue, &status, 0, 0) }
    return WaitStatus(rawValue: status)
  }
}

/// How a process ended, as `wait` encodes it.
package enum WaitStatus: Hashable, Sendable {
  case exited(code: CInt)
  case signalled(signal: CInt)

  package init(rawValue: CInt) {
    let signal = rawValue & 0x7f
    self = signal == 0 ? .exited(code: (rawValue >> 8) & 0xff) : .signalled(signal: signal)
  }

  /// The shells' number: the exit code, or 128 and the signal.
  package var exitCode: CInt {
    switch self {
    case .exited(let code): code
    case .signalled(let signal): 128 + signal
    }
  }
}
