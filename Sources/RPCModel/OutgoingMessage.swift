/// A request on the wire.
public struct RequestMessage<Request: RPCRequest>: Codable, Sendable {
  public var jsonrpc = "2.0"
  public var id: RequestID
  public var method: String
  public var params: Request.Params

  public init(id: RequestID, _ type: Request.Type = Request.self, params: Request.Params) {
    self.id = id
    method = Request.method.rawValue
    self.params = params
  }
}

/// A notification on the wire.
public struct NotificationMessage<Notification: RPCNotification>: Codable, Sendable {
  public var jsonrpc = "2.0"
  public var method: String
  public var params: Notification

  public init(_ params: Notification) {
    method = Notification.method
    self.params = params
  }
}

/// A successful response on the wire.
public struct ResultMessage<Result: Sendable>: Sendable {
  public var id: RequestID
  public var result: Result

  public init(id: RequestID, result: Result) {
    self.id = id
    self.result = result
  }
}

extension ResultMessage: Encodable where Result: Encodable {
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: EnvelopeKey.self)
    try container.encode("2.0", forKey: .jsonrpc)
    try container.encode(id, forKey: .id)
    try container.encode(result, forKey: .result)
  }
}

extension ResultMessage: Decodable where Result: Decodable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: EnvelopeKey.self)
    id = try container.decode(RequestID.self, forKey: .id)
    result = try container.decode(Result.self, forKey: .result)
  }
}

/// A failed response on the wire; its id is null where the request's could not be read.
public struct FailureMessage: Encodable, Sendable {
  public var id: RequestID?
  public var error: RPCError

  public init(id: RequestID?, error: RPCError) {
    self.id = id
    self.error = error
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: EnvelopeKey.self)
    try container.encode("2.0", forKey: .jsonrpc)
    try container.encode(id, forKey: .id)
    try container.encode(error, forKey: .error)
  }
}
