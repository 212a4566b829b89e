import RPCModel

extension RPCError {
  /// A failure of this program's own, in the form of a service's.
  init(
    _ kind: ErrorKind, _ message: String, subject: String? = nil, causes: [String] = [], hint: String? = nil
  ) {
    self.init(
      code: ErrorCode.requestFailed, message: message,
      data: ErrorData(kind: kind, retriable: false, subject: subject, causes: causes, hint: hint))
  }
}
