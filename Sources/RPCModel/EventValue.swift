/// An attribute of an event.
public enum EventValue: Codable, Hashable, Sendable, CustomStringConvertible {
  case string(String)
  case integer(Int)
  case boolean(Bool)

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(Bool.self) {
      self = .boolean(value)
    } else if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else {
      self = .string(try container.decode(String.self))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .string(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .boolean(let value): try container.encode(value)
    }
  }

  public var description: String {
    switch self {
    case .string(let value): value
    case .integer(let value): "\(value)"
    case .boolean(let value): "\(value)"
    }
  }
}
