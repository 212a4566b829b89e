/// A type as the protocol files write it: `integer`, `Digest`, `[string]`, `{string}`, and `?` for what may
/// be absent.
struct TypeName: Decodable, Hashable {
  indirect enum Form: Hashable {
    case string, integer, boolean, builtin
    case named(String)
    case array(Form)
    case map(Form)
  }
  var form: Form
  var isOptional: Bool
  var text: String

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    text = try container.decode(String.self)
    var rest = Substring(text)
    isOptional = rest.last == "?"
    if isOptional { rest.removeLast() }
    guard let form = Self.parse(rest) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a type: \(text)")
    }
    self.form = form
  }

  private static func parse(_ text: Substring) -> Form? {
    switch text {
    case "string": return .string
    case "integer": return .integer
    case "boolean": return .boolean
    case "builtin": return .builtin
    default: break
    }
    if let first = text.first, let last = text.last, text.count > 2 {
      let inner = text.dropFirst().dropLast()
      if first == "[", last == "]" { return parse(inner).map(Form.array) }
      if first == "{", last == "}" { return parse(inner).map(Form.map) }
    }
    guard let first = text.first, first.isUppercase, text.allSatisfy({ $0.isLetter || $0.isNumber }) else {
      return nil
    }
    return .named(String(text))
  }

  /// The type that is named, if one is, however deep.
  var reference: String? {
    var form = form
    while true {
      switch form {
      case .array(let inner), .map(let inner): form = inner
      case .named(let name): return name
      default: return nil
      }
    }
  }

  var swift: String { Self.swift(form) + (isOptional ? "?" : "") }
  /// Without the question mark.
  var swiftWrapped: String { Self.swift(form) }

  private static func swift(_ form: Form) -> String {
    switch form {
    case .string: "String"
    case .integer: "Int"
    case .boolean: "Bool"
    case .builtin: "Never"
    case .named(let name): name
    case .array(let inner): "[\(swift(inner))]"
    case .map(let inner): "[String: \(swift(inner))]"
    }
  }
}
