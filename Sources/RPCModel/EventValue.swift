/// An attribute of an event.
public enum EventValue: RPCValue, CustomStringConvertible {
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

  public func write(to json: inout JSONWriter) {
    switch self {
    case .string(let value): value.write(to: &json)
    case .integer(let value): value.write(to: &json)
    case .boolean(let value): value.write(to: &json)
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
