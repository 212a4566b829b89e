/// A request on the wire.
public struct RequestMessage<Request: RPCRequest>: JSONWritable, Sendable {
  public var id: RequestID
  public var params: Request.Params

  public init(id: RequestID, _ type: Request.Type = Request.self, params: Request.Params) {
    self.id = id
    self.params = params
  }

  public func write(to json: inout JSONWriter) {
    json.envelope { json in
      json.member(#""id":"#, id)
      json.member(#""method":"#, Request.method.rawValue)
      json.member(#""params":"#, params)
    }
  }
}

/// A notification on the wire.
public struct NotificationMessage<Notification: RPCNotification>: JSONWritable, Sendable {
  public var params: Notification

  public init(_ params: Notification) { self.params = params }

  public func write(to json: inout JSONWriter) {
    json.envelope { json in
      json.member(#""method":"#, Notification.method)
      json.member(#""params":"#, params)
    }
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

extension ResultMessage: JSONWritable where Result: JSONWritable {
  public func write(to json: inout JSONWriter) {
    json.envelope { json in
      json.member(#""id":"#, id)
      json.member(#""result":"#, result)
    }
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
public struct FailureMessage: JSONWritable, Sendable {
  public var id: RequestID?
  public var error: RPCError

  public init(id: RequestID?, error: RPCError) {
    self.id = id
    self.error = error
  }

  public func write(to json: inout JSONWriter) {
    json.envelope { json in
      if let id { json.member(#""id":"#, id) } else { json.member(#""id":"#, JSONNull()) }
      json.member(#""error":"#, error)
    }
  }
}

extension JSONWriter {
  fileprivate mutating func envelope(_ members: (inout JSONWriter) -> Void) {
    beginObject()
    member(#""jsonrpc":"#, "2.0")
    members(&self)
    endObject()
  }
}
