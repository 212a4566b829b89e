import EngineErrors
import RPCModel

/// The engine's errors as the wire has them.
extension RPCError {
  init(_ error: any Error, operation: String, isCancelled: Bool) {
    let error = EngineError(operation, wrapping: error)
    let code: Int =
      switch error.kind {
      case .cancelled where isCancelled: ErrorCode.requestCancelled
      case .internal: ErrorCode.internalError
      default: ErrorCode.requestFailed
      }
    self.init(code: code, message: error.message, data: ErrorData(error))
  }
}

extension ErrorData {
  init(_ error: EngineError, message: String? = nil) {
    self.init(
      kind: RPCModel.ErrorKind(rawValue: error.kind.rawValue), retriable: error.isRetriable,
      subject: error.subject,
      causes: error.causes, hint: error.hint, retryAfterMs: error.retryAfter.map(\.wireMilliseconds),
      exitCode: error.exitCode, message: message, container: error.container)
  }
}
