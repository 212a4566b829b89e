/// Checks the files against `protocol/schema.json`: the part of JSON Schema that the schema uses.
enum SchemaCheck {
  static func problems(_ files: ProtocolFiles) -> [String] {
    files.documents.flatMap { name, value in
      problems(value, files.schema, root: files.schema).map { "\(name)\($0)" }
    }
  }

  private static func problems(_ value: JSONValue, _ schema: JSONValue, root: JSONValue) -> [String] {
    if case .string(let reference)? = schema["$ref"] {
      let name = reference.split(separator: "/").last.map(String.init) ?? ""
      guard let definition = root["$defs"]?[name] else { return [": the schema has no \(reference)"] }
      return problems(value, definition, root: root)
    }
    if case .string(let type)? = schema["type"], !hasType(value, type) { return [": is no \(type)"] }
    if case .array(let allowed)? = schema["enum"], !allowed.contains(value) {
      return [": is none of the values"]
    }
    if case .string(let pattern)? = schema["pattern"], case .string(let text) = value,
      (try? Regex(pattern).wholeMatch(in: text)) == nil
    {
      return [": '\(text)' does not match \(pattern)"]
    }
    switch value {
    case .object(let members):
      return members.sorted { $0.key < $1.key }.flatMap { key, member in
        guard let property = schema["properties"]?[key] else {
          return schema["additionalProperties"] == .boolean(false) ? [".\(key): is not known"] : []
        }
        return problems(member, property, root: root).map { ".\(key)\($0)" }
      } + missing(members, schema)
    case .array(let elements):
      guard let items = schema["items"] else { return [] }
      if case .integer(let least)? = schema["minItems"], elements.count < least { return [": has too few"] }
      return elements.enumerated().flatMap { index, element in
        problems(element, items, root: root).map { "[\(index)]\($0)" }
      }
    default: return []
    }
  }

  private static func missing(_ members: [String: JSONValue], _ schema: JSONValue) -> [String] {
    guard case .array(let required)? = schema["required"] else { return [] }
    return required.compactMap { name in
      if case .string(let name) = name, members[name] == nil { ".\(name): is missing" } else { nil }
    }
  }

  private static func hasType(_ value: JSONValue, _ type: String) -> Bool {
    switch (value, type) {
    case (.object, "object"), (.array, "array"), (.string, "string"), (.integer, "integer"),
      (.boolean, "boolean"):
      true
    default: false
    }
  }
}
