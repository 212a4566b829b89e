package import LinuxSystem

/// How and when a container ended.
package struct ExitRecord: Hashable, Sendable {
  package enum Status: Hashable, Sendable {
    case exited(code: Int32)
    case signalled(signal: Int32)
  }
  package var status: Status
  /// Since 1970, in ns; of a lost shim, when the loss was found.
  package var at: UInt64
  /// The shim ended before the container did, and took it along: the status is SIGKILL by definition.
  package var shimLost: Bool
  /// Bytes of output that a full disk kept out of the log.
  package var lostOutput: UInt64 = 0

  /// 0 to 255, a signal as 128 and its number.
  package var exitCode: Int32 {
    switch status {
    case .exited(let code): code
    case .signalled(let signal): 128 + signal
    }
  }
}

extension ExitRecord.Status {
  package init(_ status: WaitStatus) {
    switch status {
    case .exited(let code): self = .exited(code: code)
    case .signalled(let signal): self = .signalled(signal: signal)
    }
  }
}
