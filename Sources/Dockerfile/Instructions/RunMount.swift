import EngineErrors

/// What `RUN --mount` says.
package struct RunMount: Hashable, Sendable {
  /// As it is written.
  package var word: Word
  package var kind = Kind.bind
  /// A stage or an image; the context where nil.
  package var from: String?
  package var source: String?
  package var target: String?
  package var isReadOnly = true
  /// Of a tmpfs, in bytes.
  package var size: Int64?
  /// Of a cache, a secret or an SSH agent.
  package var id: String?
  package var sharing: Sharing?
  /// A secret or an agent that is not given fails the build.
  package var isRequired = false
  /// The variable that has a secret; empty for one of the secret's name.
  package var variable: String?
  package var mode: UInt32?
  package var user: UInt32?
  package var group: UInt32?

  package enum Kind: String, Hashable, Sendable, CaseIterable { case bind, cache, tmpfs, secret, ssh }
  package enum Sharing: String, Hashable, Sendable, CaseIterable { case shared, `private`, locked }

  /// Fields with variables in them are left for later.
  init(parsing word: Word, _ file: SourceFile) throws(EngineError) {
    try self.init(parsing: word, file) { (_) throws(EngineError) in nil }
    if !word.text.contains("$") { try check(file) }
  }

  /// - Parameter expand: gives variables in values their own.
  init(
    expanding word: Word, _ file: SourceFile, _ expand: (Word) throws(EngineError) -> String
  ) throws(EngineError) {
    try self.init(parsing: word, file) { (value) throws(EngineError) in try expand(value) }
    try check(file)
  }

  private init(
    parsing word: Word, _ file: SourceFile, _ expand: (Word) throws(EngineError) -> String?
  ) throws(EngineError) {
    self.word = word
    var readOnly: Bool?
    for field in try Self.fields(word, file) {
      let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let key = parts[0].lowercased()
      guard parts.count == 2 else {
        switch key {
        case "readonly", "ro": readOnly = true
        case "readwrite", "rw": readOnly = false
        case "required": isRequired = true
        default:
          throw file.error(
            "the mount's field '\(field)' is not of the form key=value", at: word.position,
            hint: NearMiss.hint(key, in: Self.keys))
        }
        continue
      }
      var value = parts[1]
      if value.contains("$") {
        if key == "from" {
          throw file.error(
            "variables are not replaced in a mount's from", at: word.position,
            hint: "give the image a stage of its own, with a variable in its FROM")
        }
        guard let expanded = try expand(Word(value, at: word.position)) else { continue }
        value = expanded
      }
      try set(key, value, &readOnly, file)
    }
    isReadOnly = readOnly ?? (kind != .cache && kind != .tmpfs)
  }

  private static let keys = [
    "type", "from", "source", "src", "target", "dst", "destination", "readonly", "ro", "readwrite", "rw",
    "required", "size", "id", "sharing", "mode", "uid", "gid", "env",
  ]

  private mutating func set(
    _ key: String, _ value: String, _ readOnly: inout Bool?, _ file: SourceFile
  ) throws(EngineError) {
    func invalid(_ hint: String? = nil) -> EngineError {
      file.error("'\(value)' is not a mount's \(key)", at: word.position, hint: hint)
    }
    func bool() throws(EngineError) -> Bool {
      switch value.lowercased() {
      case "true", "t", "1": return true
      case "false", "f", "0": return false
      default: throw invalid("it is true or false")
      }
    }
    func number(_ radix: Int) throws(EngineError) -> UInt32 {
      guard let number = UInt32(value, radix: radix) else { throw invalid() }
      return number
    }
    switch key {
    case "type":
      guard let kind = Kind(rawValue: value.lowercased()) else {
        let names = Kind.allCases.map(\.rawValue)
        throw invalid(NearMiss.hint(value, in: names) ?? "it is one of \(names.joined(separator: ", "))")
      }
      self.kind = kind
    case "from": from = value.isEmpty ? nil : value
    case "source", "src": source = value
    case "target", "dst", "destination": target = value
    case "readonly", "ro": readOnly = try bool()
    case "readwrite", "rw": readOnly = !(try bool())
    case "required": isRequired = try bool()
    case "size":
      guard let bytes = MemoryAmount.bytes(value) else { throw invalid("write it as 64m") }
      size = bytes
    case "id": id = value
    case "sharing":
      guard let sharing = Sharing(rawValue: value.lowercased()) else {
        let names = Sharing.allCases.map(\.rawValue)
        throw invalid(NearMiss.hint(value, in: names) ?? "it is one of \(names.joined(separator: ", "))")
      }
      self.sharing = sharing
    case "mode": mode = try number(8)
    case "uid": user = try number(10)
    case "gid": group = try number(10)
    case "env": variable = value
    default:
      throw file.error(
        "a mount has no field '\(key)'", at: word.position, hint: NearMiss.hint(key, in: Self.keys))
    }
  }

  private func check(_ file: SourceFile) throws(EngineError) {
    func fail(_ message: String, _ hint: String? = nil) -> EngineError {
      file.error(message, at: word.position, hint: hint)
    }
    if size != nil, kind != .tmpfs { throw fail("a \(kind.rawValue) mount has no size") }
    if isRequired, kind != .secret, kind != .ssh {
      throw fail("a \(kind.rawValue) mount cannot be required")
    }
    if sharing != nil, kind != .cache { throw fail("a \(kind.rawValue) mount has no sharing") }
    if kind == .bind || kind == .tmpfs, mode != nil || user != nil || group != nil {
      throw fail("a \(kind.rawValue) mount has no mode, uid or gid")
    }
    if kind == .secret {
      if from != nil { throw fail("a secret has no from") }
      if source == nil && target == nil && id == nil {
        throw fail("it is not said which secret is meant", "add id=NAME")
      }
      if source != nil, id != nil { throw fail("a secret has an id or a source, not both") }
    } else if kind != .ssh, target == nil || target == "" {
      throw fail("a \(kind.rawValue) mount has no target", "add target=PATH")
    }
  }

  /// Comma-separated, in which a field may be quoted as in a table (RFC 4180).
  private static func fields(_ word: Word, _ file: SourceFile) throws(EngineError) -> [String] {
    var fields: [String] = []
    var field = String.UnicodeScalarView()
    var isQuoted = false
    var rest = Array(word.text.unicodeScalars)[...]
    while let scalar = rest.popFirst() {
      switch scalar {
      case "\"" where isQuoted && rest.first == "\"":
        field.append(scalar)
        rest.removeFirst()
      case "\"" where isQuoted || field.isEmpty: isQuoted.toggle()
      case "," where !isQuoted:
        fields.append(String(field))
        field = .init()
      default: field.append(scalar)
      }
    }
    if isQuoted { throw file.error("a quote in the mount is not closed", at: word.position) }
    return fields + [String(field)]
  }
}
