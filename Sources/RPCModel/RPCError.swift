/// The error of a response: JSON-RPC's code for the class, and what a program acts on.
public struct RPCError: Error, RPCValue, CustomStringConvertible {
  public var code: Int
  /// One lower-case sentence that names the operation and the object.
  public var message: String
  public var data: ErrorData?

  public init(code: Int, message: String, data: ErrorData? = nil) {
    self.code = code
    self.message = message
    self.data = data
  }

  public func write(to json: inout JSONWriter) {
    json.beginObject()
    json.member(#""code":"#, code)
    json.member(#""message":"#, message)
    json.member(#""data":"#, data)
    json.endObject()
  }

  public var description: String { message }
}

extension RPCError {
  /// The error for a message that is no request which the service takes.
  public static func protocolError(_ code: Int, _ message: String) -> RPCError {
    RPCError(
      code: code, message: message,
      data: ErrorData(kind: .invalidArgument, retriable: false, causes: []))
  }
}
