/// One state change, as it is kept.
package struct JournalEvent: Hashable, Sendable {
  /// `noun.pastTense`, such as `container.exited`.
  package var kind: String
  /// What it happened to: a container's id, an image's name.
  package var subject: String
  package var attributes: [String: JournalValue]
  /// When it happened, in nanoseconds since 1970.
  package var time: Int64

  package init(kind: String, subject: String, attributes: [String: JournalValue] = [:], time: Int64) {
    self.kind = kind
    self.subject = subject
    self.attributes = attributes
    self.time = time
  }
}

package enum JournalValue: Hashable, Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral
{
  case string(String)
  case integer(Int64)
  case boolean(Bool)

  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(booleanLiteral value: Bool) { self = .boolean(value) }
}

/// An event and the place right after it: a reader that comes back with `cursor` gets what followed.
package struct JournalRecord: Hashable, Sendable {
  package var cursor: Cursor
  package var event: JournalEvent

  package init(cursor: Cursor, event: JournalEvent) {
    self.cursor = cursor
    self.event = event
  }
}

extension JournalRecord {
  /// The kind of the record that `Journal.follow` puts where history is missing; it is never stored.
  package static let gapKind = "event.gap"

  package var isGap: Bool { event.kind == Self.gapKind }
}

/// What one read gave.
package struct JournalBatch: Hashable, Sendable {
  /// In order; empty at the end of the journal.
  package var records: [JournalRecord]
  /// Whether events between the cursor asked for and the first of `records` are missing: dropped by
  /// retention, damaged, or taken by a power cut.
  package var gap: Bool
  /// Where the first of `records` begins: after the gap, if there is one.
  package var start: Cursor
  /// Where to read on; it has moved also when a gap at the end gave no records.
  package var next: Cursor
}
