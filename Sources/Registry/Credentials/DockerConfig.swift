internal import EngineErrors
internal import FoundationEssentials
internal import LinuxSystem
internal import SystemPackage

/// Docker's `config.json`, as far as it tells about registries; the rest is kept as it is.
struct DockerConfig {
  private var document: JSONTree

  private static let limit = 1 << 20

  /// A file that is not there is an empty one.
  init(_ path: FilePath) throws(EngineError) {
    do {
      let text = try readSmallFile(resolvingLinks(path), limit: Self.limit)
      let isEmpty = text.allSatisfy(\.isWhitespace)
      document = isEmpty ? .object([:]) : try JSONDecoder().decode(JSONTree.self, from: Data(text.utf8))
      guard case .object = document else { throw SystemError("read", .invalidArgument, on: path.string) }
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      document = .object([:])
    } catch {
      throw EngineError(
        .invalidArgument, "cannot read Docker's configuration \(path)", subject: path.string,
        causes: ["\(error)"], hint: "mend the file, or name another directory in DOCKER_CONFIG")
    }
  }

  /// The helper that keeps a registry's credential; nil where this file does.
  func helper(for registry: String) -> String? {
    if let name = Self.entry(of: registry, in: document["credHelpers"])?.string {
      return name.isEmpty ? nil : name
    }
    return document["credsStore"]?.string.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The credential that the file itself holds.
  func credential(for registry: String) -> Credential? {
    guard let entry = Self.entry(of: registry, in: document["auths"]) else { return nil }
    if let token = entry["identitytoken"]?.string, !token.isEmpty { return .identityToken(token) }
    if let text = entry["auth"]?.string, let bytes = Data(base64Encoded: text),
      let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
    {
      return .password(
        user: String(decoding: bytes[..<colon], as: UTF8.self),
        // Docker's own files may end with NULs.
        secret: String(decoding: bytes[(colon + 1)...].prefix { $0 != 0 }, as: UTF8.self))
    }
    if let user = entry["username"]?.string, let secret = entry["password"]?.string {
      return .password(user: user, secret: secret)
    }
    return nil
  }

  /// A registry's entry: under the name that Docker writes, or the first of those that mean the same. Docker keeps the
  /// tokens of its own web login beside them.
  private static func entry(of registry: String, in list: JSONTree?) -> JSONTree? {
    guard let list = list?.members else { return nil }
    if let exact = list[server(of: registry)] ?? list[registry] { return exact }
    let others = list.filter {
      names($0.key, registry) && !$0.key.hasSuffix("/access-token") && !$0.key.hasSuffix("/refresh-token")
    }
    return others.min { $0.key < $1.key }?.value
  }

  /// Keeps a credential here; nil leaves the registry's name alone, as Docker does where a helper has the credential.
  mutating func keep(_ credential: Credential?, for registry: String) {
    forget(registry)
    let entry: [String: JSONTree] =
      switch credential {
      case nil: [:]
      case .password(let user, let secret):
        ["auth": .string(Data("\(user):\(secret)".utf8).base64EncodedString())]
      case .identityToken(let token): ["identitytoken": .string(token)]
      }
    setAuths((document["auths"]?.members ?? [:]).merging([Self.server(of: registry): .object(entry)]) { $1 })
  }

  /// - Returns: whether there was one.
  @discardableResult
  mutating func forget(_ registry: String) -> Bool {
    let auths = document["auths"]?.members ?? [:]
    let others = auths.filter { !Self.names($0.key, registry) }
    if others.count < auths.count { setAuths(others) }
    return others.count < auths.count
  }

  private mutating func setAuths(_ auths: [String: JSONTree]) {
    var members = document.members ?? [:]
    members["auths"] = .object(auths)
    document = .object(members)
  }

  /// Writes the file whole or not at all, for its owner alone to read; its directory is made where it is missing.
  ///
  /// Where the file is a link, what it leads to is written.
  func write(to path: FilePath) throws(EngineError) {
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      let bytes = Array(try encoder.encode(document)) + [UInt8(ascii: "\n")]
      try makeDirectories(path.removingLastComponent(), mode: 0o700)
      try replaceFile(resolvingLinks(path), bytes, mode: 0o600)
    } catch {
      throw EngineError("write Docker's configuration", wrapping: error, subject: path.string)
    }
  }

  /// As Docker names a registry in this file and to helpers.
  static func server(of registry: String) -> String {
    registry == "docker.io" ? "https://index.docker.io/v1/" : registry
  }

  /// Whether a server's name, which may have a scheme and a path, is a registry's.
  private static func names(_ server: String, _ registry: String) -> Bool {
    var host = Substring(server)
    for scheme in ["https://", "http://"] where host.hasPrefix(scheme) { host = host.dropFirst(scheme.count) }
    host = host.prefix { $0 != "/" }
    return host == registry
      || (registry == "docker.io" && ["index.docker.io", "registry-1.docker.io"].contains(host))
  }
}

/// A JSON document as it is, so that what this program does not know stays.
enum JSONTree: Codable, Hashable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONTree])
  case object([String: JSONTree])

  var string: String? { if case .string(let text) = self { text } else { nil } }
  var members: [String: JSONTree]? { if case .object(let members) = self { members } else { nil } }
  subscript(name: String) -> JSONTree? { members?[name] }

  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .null
    } else if let flag = try? value.decode(Bool.self) {
      self = .boolean(flag)
    } else if let number = try? value.decode(Int64.self) {
      self = .integer(number)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else if let text = try? value.decode(String.self) {
      self = .string(text)
    } else if let items = try? value.decode([JSONTree].self) {
      self = .array(items)
    } else {
      self = .object(try value.decode([String: JSONTree].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    switch self {
    case .null: try value.encodeNil()
    case .boolean(let flag): try value.encode(flag)
    case .integer(let number): try value.encode(number)
    case .number(let number): try value.encode(number)
    case .string(let text): try value.encode(text)
    case .array(let items): try value.encode(items)
    case .object(let members): try value.encode(members)
    }
  }
}
