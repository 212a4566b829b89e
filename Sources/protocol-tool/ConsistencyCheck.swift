/// What a schema cannot say: names resolve and are used once, errors exist, examples name known fields.
enum ConsistencyCheck {
  static func problems(_ files: ProtocolFiles) -> [String] {
    duplicates(files) + references(files) + requests(files)
  }

  private static func duplicates(_ files: ProtocolFiles) -> [String] {
    let names = typeNames(files) + files.requests.map(\.method) + files.notifications.map(\.method)
    return Dictionary(grouping: names) { $0 }.filter { $0.value.count > 1 }.keys.sorted()
      .map { "\($0) is defined more than once" }
  }

  private static func typeNames(_ files: ProtocolFiles) -> [String] {
    files.structures.map(\.name) + files.enumerations.map(\.name) + files.aliases.map(\.name)
  }

  private static func references(_ files: ProtocolFiles) -> [String] {
    let known = Set(typeNames(files))
    let fields =
      files.requests.flatMap { request in (request.params + request.result).map { (request.method, $0) } }
      + files.notifications.flatMap { notification in notification.params.map { (notification.method, $0) } }
      + files.structures.flatMap { structure in structure.fields.map { (structure.name, $0) } }
    let unmixed = files.requests.flatMap { request in
      (request.mixins ?? []).filter { name in !files.structures.contains { $0.name == name } }
        .map { "\(request.method): there is no structure \($0)" }
    }
    return unmixed
      + fields.compactMap { owner, field in
        guard let name = field.type.reference, !known.contains(name) else { return nil }
        return "\(owner).\(field.name): there is no type \(name)"
      }
  }

  private static func requests(_ files: ProtocolFiles) -> [String] {
    let kinds = Set(files.enumerations.first { $0.name == "ErrorKind" }?.values.map(\.name) ?? [])
    let unknown = files.anyRequest.filter { !kinds.contains($0) }.map { "there is no kind of error \($0)" }
    return unknown
      + files.requests.flatMap { request -> [String] in
        var problems = request.errors.filter { !kinds.contains($0) }
          .map { "\(request.method): there is no kind of error \($0)" }
        problems += request.errors.filter { ["cancelled", "internal"].contains($0) }
          .map { "\(request.method): \($0) is any request's, and of none alone" }
        for example in request.examples {
          problems += unnamed(example.params, request.params).map {
            "\(request.method): an example has the parameter \($0)"
          }
          problems += unnamed(example.result, request.result).map {
            "\(request.method): an example's result has \($0)"
          }
          problems += missing(example.result, request.result).map {
            "\(request.method): an example's result lacks \($0)"
          }
        }
        return problems
      }
  }

  private static func unnamed(_ value: JSONValue, _ fields: [ProtocolFile.Field]) -> [String] {
    guard case .object(let members) = value else { return ["no object"] }
    return members.keys.filter { key in !fields.contains { $0.name == key } }.sorted()
  }

  private static func missing(_ value: JSONValue, _ fields: [ProtocolFile.Field]) -> [String] {
    fields.filter { !$0.type.isOptional && value[$0.name] == nil }.map(\.name)
  }
}
