/// Messages that every client's tests run on: each example as a whole message, and for each parameter one
/// message where it is missing, has another type, or is out of its bounds.
enum VectorWriter {
  static func vectors(_ files: ProtocolFiles) -> [(name: String, messages: [JSONValue])] {
    [
      (
        "requests",
        files.requests.flatMap { request in request.examples.map { requestMessage(request, $0.params) } }
      ),
      (
        "results",
        files.requests.flatMap { request in
          request.examples.map {
            .object([
              "method": .string(request.method),
              "message": .object(["jsonrpc": .string("2.0"), "id": .integer(1), "result": $0.result]),
            ])
          }
        }
      ),
      (
        "notifications",
        files.notifications.flatMap { notification in
          notification.examples.map {
            .object([
              "direction": .string(notification.direction.rawValue),
              "message": .object([
                "jsonrpc": .string("2.0"), "method": .string(notification.method), "params": $0,
              ]),
            ])
          }
        }
      ),
      ("invalid-requests", files.requests.flatMap(invalid)),
    ]
  }

  private static func requestMessage(_ request: ProtocolFile.Request, _ params: JSONValue) -> JSONValue {
    .object([
      "jsonrpc": .string("2.0"), "id": .integer(1), "method": .string(request.method), "params": params,
    ])
  }

  private static func invalid(_ request: ProtocolFile.Request) -> [JSONValue] {
    guard let example = request.examples.first, case .object(let params) = example.params else { return [] }
    func vector(_ why: String, _ field: ProtocolFile.Field, _ value: JSONValue?) -> JSONValue {
      var changed = params
      changed[field.name] = value
      return .object([
        "why": .string("\(field.name) \(why)"), "message": requestMessage(request, .object(changed)),
      ])
    }
    return request.params.flatMap { field in
      var vectors: [JSONValue] = []
      if !field.type.isOptional { vectors.append(vector("is missing", field, nil)) }
      vectors.append(vector("has another type", field, wrongValue(field.type.form)))
      if let min = field.min { vectors.append(vector("is below its bound", field, .integer(min - 1))) }
      if let max = field.max { vectors.append(vector("is above its bound", field, .integer(max + 1))) }
      return vectors
    }
  }

  private static func wrongValue(_ form: TypeName.Form) -> JSONValue {
    if case .array = form { return .string("not an array") }
    return .array([.array([])])
  }
}
