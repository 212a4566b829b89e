import Foundation

/// All files of the protocol, in the order of the reference.
struct ProtocolFiles {
  static let nouns = [
    "base", "system", "image", "build", "context", "container", "volume", "network", "registry", "event",
    "task",
    "stream", "error",
  ]

  var files: [ProtocolFile]
  /// The same as plain JSON, for the schema.
  var documents: [(name: String, value: JSONValue)]
  var schema: JSONValue

  /// - Parameter isWhole: whether all nouns must be there; older protocols lack some.
  init(directory: URL, isWhole: Bool = true) throws {
    let decoder = JSONDecoder()
    files = []
    documents = []
    for noun in Self.nouns {
      let name = "\(noun).json"
      let file = directory.appending(path: name)
      if !isWhole, !FileManager.default.fileExists(atPath: file.path(percentEncoded: false)) { continue }
      let data = try Data(contentsOf: file)
      documents.append((name, try decoder.decode(JSONValue.self, from: data)))
      files.append(try decoder.decode(ProtocolFile.self, from: data))
    }
    schema = try decoder.decode(
      JSONValue.self, from: Data(contentsOf: directory.appending(path: "schema.json")))
    mixIn()
  }

  /// What a release promised, as `protocol-tool release` has left it.
  init(released file: URL) throws {
    files = try JSONDecoder().decode([ProtocolFile].self, from: Data(contentsOf: file))
    documents = []
    schema = .object([:])
    mixIn()
  }

  /// What clients of these files rely on, without what is for people: a line for each noun.
  func promises() throws -> String {
    let lines = try documents.map { try $0.value.withoutWords.text() }
    return "[\n\(lines.joined(separator: ",\n"))\n]\n"
  }

  /// Where they are written down, in the files' directory.
  var promisesPath: String { "released/\(version).json" }

  /// Gives each request the fields of its mixins.
  private mutating func mixIn() {
    let structures = structures
    for file in files.indices {
      for request in files[file].requests.indices {
        let names = files[file].requests[request].mixins ?? []
        let fields = names.flatMap { name in structures.first { $0.name == name }?.fields ?? [] }
        files[file].requests[request].params.insert(contentsOf: fields, at: 0)
      }
    }
  }

  /// The structures whose fields a request takes as parameters.
  func mixins(of request: ProtocolFile.Request) -> [ProtocolFile.Structure] {
    structures.filter { request.mixins?.contains($0.name) ?? false }
  }

  var version: String { files.compactMap(\.version).first ?? "" }
  var requests: [ProtocolFile.Request] { files.flatMap(\.requests) }
  var notifications: [ProtocolFile.Notification] { files.flatMap(\.notifications) }
  var structures: [ProtocolFile.Structure] { files.flatMap(\.structures) }
  var enumerations: [ProtocolFile.Enumeration] { files.flatMap(\.enumerations) }
  var aliases: [ProtocolFile.Alias] { files.flatMap(\.aliases) }
  var events: [ProtocolFile.Event] { files.flatMap { $0.events ?? [] } }
  var codes: [ProtocolFile.Code] { files.flatMap { $0.codes ?? [] } }
  var anyRequest: [String] { files.flatMap { $0.anyRequest ?? [] } }
}

extension JSONValue {
  /// With nothing in place of sentences and examples.
  fileprivate var withoutWords: JSONValue {
    switch self {
    case .object(let members):
      .object(
        members.reduce(into: [:]) { kept, member in
          switch (member.key, member.value) {
          case ("doc", .string): kept["doc"] = .string("")
          case ("examples", .array): kept["examples"] = .array([])
          default: kept[member.key] = member.value.withoutWords
          }
        })
    case .array(let elements): .array(elements.map(\.withoutWords))
    default: self
    }
  }
}
