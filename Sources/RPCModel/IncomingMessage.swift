/// A message to the service, decoded in one pass.
public enum MessageToService: Decodable, Sendable {
  case request(id: RequestID, ClientRequest)
  case notification(ClientNotification)
  /// A notification that is unknown or malformed; it has no answer.
  case ignored(why: String)
  /// A request that cannot be one, with its answer. The id is nil where it could not be read.
  case refused(id: RequestID?, RPCError)

  public init(from decoder: any Decoder) throws {
    guard let container = try? decoder.container(keyedBy: EnvelopeKey.self) else {
      let what = (try? decoder.unkeyedContainer()) == nil ? "is no object" : "is a batch; send one at a time"
      self = .refused(id: nil, .protocolError(ErrorCode.invalidRequest, "the message \(what)"))
      return
    }
    let hasID = container.contains(.id)
    let id = try? container.decode(RequestID.self, forKey: .id)
    func refuse(_ code: Int, _ why: String) -> MessageToService {
      hasID ? .refused(id: id, .protocolError(code, why)) : .ignored(why: why)
    }
    guard (try? container.decode(String.self, forKey: .jsonrpc)) == "2.0" else {
      self = .refused(
        id: id, .protocolError(ErrorCode.invalidRequest, "the message is not of JSON-RPC version 2.0"))
      return
    }
    guard let name = try? container.decode(String.self, forKey: .method) else {
      // The service sends no requests, so a response is to nothing.
      let isResponse = container.contains(.result) || container.contains(.error)
      self =
        isResponse
        ? .ignored(why: "a response to no request")
        : .refused(id: id, .protocolError(ErrorCode.invalidRequest, "the message has no method"))
      return
    }
    let params = ParamsDecoder(container)
    do {
      if !hasID {
        guard let notification = try ClientNotification(name, params) else {
          self = .ignored(why: "there is no notification \(name)")
          return
        }
        self = .notification(notification)
      } else if let id {
        guard let method = Method(rawValue: name) else {
          self = refuse(ErrorCode.methodNotFound, "there is no request \(name)")
          return
        }
        self = .request(id: id, try ClientRequest(method, params))
      } else {
        self = refuse(ErrorCode.invalidRequest, "the id of \(name) is neither an integer nor a string")
      }
    } catch let error as DecodingError {
      self = refuse(ErrorCode.invalidParams, "cannot read the parameters of \(name): \(error.explanation)")
    }
  }
}

/// A message to the client, as far as it can be told without the type of the result.
public enum MessageToClient: Decodable, Sendable {
  /// The result is decoded with `ResultMessage`.
  case result(id: RequestID)
  /// The id is nil where the service could not read the request's.
  case failure(id: RequestID?, RPCError)
  case notification(ServerNotification)
  case ignored(why: String)

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: EnvelopeKey.self)
    if let name = try container.decodeIfPresent(String.self, forKey: .method) {
      guard let notification = try ServerNotification(name, ParamsDecoder(container)) else {
        self = .ignored(why: "there is no notification \(name)")
        return
      }
      self = .notification(notification)
    } else if let error = try container.decodeIfPresent(RPCError.self, forKey: .error) {
      self = .failure(id: try container.decodeIfPresent(RequestID.self, forKey: .id), error)
    } else {
      self = .result(id: try container.decode(RequestID.self, forKey: .id))
    }
  }
}

extension DecodingError {
  /// Where it is wrong and why, in a person's words.
  public var explanation: String {
    func place(_ context: Context, _ key: (any CodingKey)? = nil) -> String {
      let path = (context.codingPath + [key].compactMap(\.self)).map {
        $0.intValue.map { "[\($0)]" } ?? $0.stringValue
      }
      let inside = path.first == "params" ? path.dropFirst() : path[...]
      return inside.isEmpty ? "params" : inside.joined(separator: ".").replacing(".[", with: "[")
    }
    switch self {
    case .typeMismatch(let type, let context): return "\(place(context)) is not \(Self.name(type))"
    case .valueNotFound(let type, let context): return "\(place(context)) is null and not \(Self.name(type))"
    case .keyNotFound(let key, let context): return "\(place(context, key)) is missing"
    case .dataCorrupted(let context): return "\(place(context)): \(context.debugDescription)"
    @unknown default: return "\(self)"
    }
  }

  private static func name(_ type: Any.Type) -> String {
    switch "\(type)" {
    case "String": "a string"
    case "Int": "an integer"
    case "Bool": "a boolean"
    case let name where name.hasPrefix("Array"): "an array"
    default: "an object"
    }
  }
}
