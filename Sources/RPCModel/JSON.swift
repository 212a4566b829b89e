/// Any JSON, as its text: what is passed on without being looked into.
public struct JSON: RPCValue {
  /// RFC 8259, in UTF-8, without line breaks.
  public let text: [UInt8]

  public init(_ text: StaticString) {
    self.text = Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  public init(from decoder: any Decoder) throws {
    text = JSONWriter.bytes(of: try JSONTree(from: decoder))
  }

  public func write(to json: inout JSONWriter) { json.verbatim(text) }
}

/// JSON of any shape, on its way from a decoder to text.
private indirect enum JSONTree: Decodable, JSONWritable {
  case null
  case boolean(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONTree])
  case object([String: JSONTree])

  init(from decoder: any Decoder) throws {
    if let members = try? decoder.container(keyedBy: MemberName.self) {
      self = .object(
        Dictionary(
          uniqueKeysWithValues: try members.allKeys.map {
            ($0.stringValue, try members.decode(JSONTree.self, forKey: $0))
          }))
      return
    }
    if var elements = try? decoder.unkeyedContainer() {
      var array: [JSONTree] = []
      while !elements.isAtEnd { array.append(try elements.decode(JSONTree.self)) }
      self = .array(array)
      return
    }
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .null
    } else if let boolean = try? value.decode(Bool.self) {
      self = .boolean(boolean)
    } else if let integer = try? value.decode(Int.self) {
      self = .integer(integer)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else {
      self = .string(try value.decode(String.self))
    }
  }

  func write(to json: inout JSONWriter) {
    switch self {
    case .null: JSONNull().write(to: &json)
    case .boolean(let value): value.write(to: &json)
    case .integer(let value): value.write(to: &json)
    case .number(let value): json.verbatim(Array("\(value)".utf8))
    case .string(let value): value.write(to: &json)
    case .array(let value): value.write(to: &json)
    case .object(let value): value.write(to: &json)
    }
  }

  private struct MemberName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
}
