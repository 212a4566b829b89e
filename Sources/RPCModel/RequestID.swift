/// A JSON-RPC request id; a number with a fraction, or null, is none.
public enum RequestID: Codable, Hashable, Sendable, CustomStringConvertible {
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

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .integer(let number): try container.encode(number)
    case .string(let text): try container.encode(text)
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
