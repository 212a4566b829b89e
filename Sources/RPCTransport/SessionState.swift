public import RPCModel

/// Where a session is between `initialize` and `exit` (LSP 3.17, "Server lifecycle"). A pure value.
public struct SessionState: Sendable {
  private enum Phase {
    case fresh, open, shutDown
  }
  private var phase = Phase.fresh

  public init() {}

  /// Whether a request may be taken now.
  ///
  /// - Returns: the error to answer with, or nil for one that may.
  public mutating func admit(_ method: Method) -> RPCError? {
    switch (phase, method) {
    case (.fresh, .initialize):
      phase = .open
      return nil
    case (.fresh, _):
      return .protocolError(ErrorCode.serverNotInitialized, "\(method.rawValue) came before initialize")
    case (.open, .initialize):
      return .protocolError(ErrorCode.invalidRequest, "initialize came a second time")
    case (.open, .shutdown):
      phase = .shutDown
      return nil
    case (.open, _):
      return nil
    case (.shutDown, _):
      return .protocolError(ErrorCode.invalidRequest, "\(method.rawValue) came after shutdown")
    }
  }

  /// Whether a notification other than `exit` is taken now.
  public var takesNotifications: Bool { phase == .open }

  /// The service's status when `exit` comes now.
  public var exitStatus: Int32 { phase == .shutDown ? 0 : 1 }
}
