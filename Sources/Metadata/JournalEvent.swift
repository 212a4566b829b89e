/// One state change, as it is kept.
package struct JournalEvent: Hashable, Sendable {
  /// `noun.pastTense`, such as `container.exited`.
  package var kind: String
  /// What it happened to: a container's id, a digest.
  package var subject: String
  package var attributes: [String: JournalValue]

  package init(kind: String, subject: String, attributes: [String: JournalValue] = [:]) {
    self.kind = kind
    self.subject = subject
    self.attributes = attributes
  }
}

package enum JournalValue: Hashable, Sendable {
  case string(String)
  case integer(Int64)
  case boolean(Bool)
}

/// An event and its place: a reader that comes back with `cursor` gets what followed.
package struct JournalRecord: Hashable, Sendable {
  package var cursor: Cursor
  /// When it was journalled, in nanoseconds since 1970.
  package var time: Int64
  package var event: JournalEvent
}

extension JournalRecord {
  /// The kind of the record that stands where history is missing; it is never stored.
  package static let gapKind = "event.gap"

}

extension JournalValue: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(Bool.self) {
      self = .boolean(value)
    } else if let value = try? container.decode(Int64.self) {
      self = .integer(value)
    } else {
      self = .string(try container.decode(String.self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .string(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .boolean(let value): try container.encode(value)
    }
  }
}
