/// A JSON-RPC request id; a number with a fraction, or null, is none.
public enum RequestID: RPCValue, CustomStringConvertible {
  case integer(Int)
  case string(String)

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let number = try? container.decode(Int.self) {
      self = .integer(number)
    } else if let text = try? container.decode(String.self) {
      self = .string(text)
    } else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "an id is an integer or a string")
    }
  }

  public func write(to json: inout JSONWriter) {
    switch self {
    case .integer(let number): number.write(to: &json)
    case .string(let text): text.write(to: &json)
    }
  }

  public var description: String {
    switch self {
    case .integer(let number): "\(number)"
    case .string(let text): text
    }
  }
}

/// LSP's progress token has the form of a request id.
public typealias ProgressToken = RequestID
