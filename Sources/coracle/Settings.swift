import Engine
import EngineErrors
import Foundation
import LinuxSystem
import SystemPackage

/// What a person has set in `config.json`: the machine's in /etc/coracle, and the user's own, which goes before it.
struct Settings: Decodable {
  var concurrentLayers: Int?
  var registries: [String: Registry] = [:]
  var logLimits: Limits?
  var builds: Builds?

  struct Builds: Decodable {
    var downloadBytes: Int64?

    init(from decoder: any Decoder) throws {
      downloadBytes = try KnownFields(decoder, ["downloadBytes"]).value("downloadBytes")
      if let bytes = downloadBytes, bytes < 0 {
        throw DecodingError.dataCorrupted(
          .init(codingPath: [NamedKey("builds")], debugDescription: "downloadBytes is not negative"))
      }
    }
  }

  struct Limits: Decodable {
    var limits = LogLimits()

    init(from decoder: any Decoder) throws {
      let fields = try KnownFields(decoder, ["fileBytes", "files"])
      limits.fileBytes = try fields.value("fileBytes") ?? limits.fileBytes
      limits.files = try fields.value("files") ?? limits.files
      guard limits.fileBytes >= 65536, (1...1000).contains(limits.files) else {
        throw DecodingError.dataCorrupted(
          .init(
            codingPath: [NamedKey("logLimits")],
            debugDescription: "fileBytes is at least 65536, and files between 1 and 1000"))
      }
    }
  }

  struct Registry: Decodable {
    var mirrors: [String] = []
    var insecure = false

    init(from decoder: any Decoder) throws {
      let fields = try KnownFields(decoder, ["mirrors", "insecure"])
      mirrors = try fields.value("mirrors") ?? []
      insecure = try fields.value("insecure") ?? false
    }
  }

  init(from decoder: any Decoder) throws {
    let fields = try KnownFields(decoder, ["builds", "concurrentLayers", "logLimits", "registries"])
    concurrentLayers = try fields.value("concurrentLayers")
    registries = try fields.value("registries") ?? [:]
    logLimits = try fields.value("logLimits")
    builds = try fields.value("builds")
    if let layers = concurrentLayers, !(1...32).contains(layers) {
      throw DecodingError.dataCorrupted(
        .init(codingPath: [NamedKey("concurrentLayers")], debugDescription: "it is not between 1 and 32"))
    }
  }

  private init() {}

  /// Reads the file that is named, or those of all directories that have one, the last of which counts most.
  ///
  /// - Throws: `notFound` for a named file that is missing; `invalidArgument` that says what is wrong with a file.
  static func read(_ named: FilePath?, in directories: [FilePath]) throws -> Settings {
    if let named { return try read(named) }
    return try directories.map { $0.appending("config.json") }.filter(fileExists).reduce(into: Settings()) {
      settings, path in
      let other = try read(path)
      settings.concurrentLayers = other.concurrentLayers ?? settings.concurrentLayers
      settings.logLimits = other.logLimits ?? settings.logLimits
      settings.builds = other.builds ?? settings.builds
      settings.registries.merge(other.registries) { $1 }
    }
  }

  private static func read(_ path: FilePath) throws -> Settings {
    let text: String
    do { text = try readSmallFile(path, limit: 1 << 20) } catch {
      throw EngineError("read the settings", wrapping: error, subject: path.string)
    }
    do {
      return try JSONDecoder().decode(Settings.self, from: Data(text.utf8))
    } catch {
      throw EngineError(
        .invalidArgument, "the settings in \(path) cannot be understood", subject: path.string,
        causes: [Self.cause(error)], hint: "README.md shows what they can be")
    }
  }

  private static func cause(_ error: any Error) -> String {
    let context: DecodingError.Context
    switch error as? DecodingError {
    case .typeMismatch(_, let found), .valueNotFound(_, let found), .keyNotFound(_, let found),
      .dataCorrupted(let found):
      context = found
    default: return "\(error)"
    }
    let place = context.codingPath.map(\.stringValue).joined(separator: ".")
    return place.isEmpty ? context.debugDescription : "\(place): \(context.debugDescription)"
  }

  func apply(to configuration: inout EngineConfiguration) {
    if let concurrentLayers { configuration.concurrentLayers = concurrentLayers }
    configuration.logLimits = logLimits?.limits
    if let bytes = builds?.downloadBytes { configuration.buildDownloadBytes = bytes }
    configuration.registries = registries.mapValues {
      RegistrySettings(mirrors: $0.mirrors, isInsecure: $0.insecure)
    }
  }
}

/// The fields of an object that may have these alone: a misspelt one would else be as good as none.
private struct KnownFields {
  private let container: KeyedDecodingContainer<NamedKey>

  init(_ decoder: any Decoder, _ known: Set<String>) throws {
    container = try decoder.container(keyedBy: NamedKey.self)
    for key in container.allKeys where !known.contains(key.stringValue) {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: container.codingPath + [key],
          debugDescription: "there is no such setting; there are \(known.sorted().joined(separator: " and "))"
        ))
    }
  }

  func value<Value: Decodable>(_ name: String) throws -> Value? {
    try container.decodeIfPresent(Value.self, forKey: NamedKey(name))
  }
}

private struct NamedKey: CodingKey {
  var stringValue: String
  var intValue: Int? { nil }
  init(_ name: String) { stringValue = name }
  init?(stringValue: String) { self.init(stringValue) }
  init?(intValue: Int) { nil }
}
