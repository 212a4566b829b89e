internal import EngineErrors
internal import Foundation
internal import GRDB
internal import OCIModel

/// Rows to values. A value that this program could not have written is damage, not a trap.
extension ImageRecord {
  static let columns = "manifestDigest, mediaType, configDigest, size, platform, layers, createdAt, created"
  static let insertedColumns = columns + ", layerCount"

  init(_ row: Row) throws {
    try self.init(
      manifestDigest: row.digest(0), mediaType: row.value(1), configDigest: row.digest(2),
      size: row.value(3), platform: row.checked { try Platform(parsing: row.value(4)) },
      layers: row.checked {
        try JSONDecoder().decode([LayerRecord].self, from: Data((row.value(5) as String).utf8))
      }, createdAt: row.value(6), created: row.optional(7))
  }

  /// The values of `insertedColumns`.
  func arguments() throws -> StatementArguments {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let encoded = String(decoding: try encoder.encode(layers), as: UTF8.self)
    return [
      manifestDigest.description, mediaType, configDigest.description, size, platform.description, encoded,
      createdAt, created, layers.count,
    ]
  }
}

extension TagRecord {
  static let columns = "reference, manifestDigest, createdAt"

  init(_ row: Row) throws {
    try self.init(reference: row.value(0), manifestDigest: row.digest(1), createdAt: row.value(2))
  }
}

extension ContainerRecord {
  static let columns = """
    id, name, imageDigest, imageName, state, pid, createdAt, startedAt, finishedAt, exitCode, signal,
    isLost, options, restartCount, livesRead, isStopped, health, outOfMemoryKills, session
    """
  static let placeholders = Array(repeating: "?", count: 19).joined(separator: ",")

  init(_ row: Row) throws {
    try self.init(
      id: row.value(0), name: row.value(1), imageDigest: row.digest(2), imageName: row.value(3),
      createdAt: row.value(6), options: row.value(12))
    let state: String = try row.value(4)
    guard let state = ContainerState(rawValue: state) else { throw Row.damage("the state '\(state)'") }
    self.state = state
    pid = try row.optional(5)
    startedAt = try row.optional(7)
    finishedAt = try row.optional(8)
    if let code = try row.optional(9) as Int32? {
      exit = .exited(code: code)
    } else if let signal = try row.optional(10) as Int32? {
      exit = .signalled(signal: signal)
    }
    isLost = try row.value(11)
    restartCount = try row.value(13)
    livesRead = try row.value(14)
    isStopped = try row.value(15)
    if let text = try row.optional(16) as String? {
      guard let health = ContainerHealth(rawValue: text) else { throw Row.damage("the health '\(text)'") }
      self.health = health
    }
    outOfMemoryKills = try row.value(17)
    session = try row.optional(18)
  }

  var exitCode: Int32? { exit?.code }
  var signal: Int32? { exit?.signal }

  /// The values of `columns`.
  var arguments: StatementArguments {
    [
      id, name, imageDigest.description, imageName, state.rawValue, pid, createdAt, startedAt, finishedAt,
      exitCode, signal, isLost, options, restartCount, livesRead, isStopped, health?.rawValue,
      outOfMemoryKills, session,
    ]
  }
}

extension Row {
  func value<Value: DatabaseValueConvertible>(_ index: Int) throws -> Value {
    guard let value: Value = try optional(index) else { throw Self.damage("no value in column \(index)") }
    return value
  }

  func optional<Value: DatabaseValueConvertible>(_ index: Int) throws -> Value? {
    let stored: DatabaseValue = self[index]
    if stored.isNull { return nil }
    guard let value = Value.fromDatabaseValue(stored) else {
      throw Self.damage("a value of another type in column \(index)")
    }
    return value
  }

  func digest(_ index: Int) throws -> Digest {
    try checked { try Digest(value(index) as String) }
  }

  /// Runs `decode` and reports any failure of it as damage.
  func checked<Value>(_ decode: () throws -> Value) throws -> Value {
    do {
      return try decode()
    } catch {
      throw Self.damage("\(error)")
    }
  }

  static func damage(_ what: String) -> EngineError {
    EngineError(.corrupt, "the store's metadata holds what no coracle wrote", causes: [what])
  }
}
