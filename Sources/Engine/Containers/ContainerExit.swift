/// How a container ended.
package struct ContainerExit: Hashable, Sendable {
  /// The process's own exit code, or 128 and the signal's number.
  package var code: Int32
  /// The signal that ended it, such as `SIGKILL`.
  package var signal: String?
  /// In nanoseconds since 1970, from the record of the shim that reaped it.
  package var at: Int64
  /// The shim or the machine died before it could record the exit; code and time are then the engine's guess.
  package var isLost: Bool

  package init(code: Int32, signal: String? = nil, at: Int64, isLost: Bool = false) {
    self.code = code
    self.signal = signal
    self.at = at
    self.isLost = isLost
  }
}
