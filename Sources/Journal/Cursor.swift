package import EngineErrors

/// A place between two events of the journal: opaque to clients, ordered, and the same in every process.
///
/// It is the journal-wide offset just after an event's record. Offsets are never used twice, also not
/// those of events that a power cut took: see `Segment.Header`.
package struct Cursor: Hashable, Comparable, Sendable {
  package let offset: Int64

  /// Before the first event that the journal ever had.
  package static let start = Cursor(offset: 0)

  init(offset: Int64) { self.offset = offset }

  package static func < (left: Cursor, right: Cursor) -> Bool { left.offset < right.offset }
}

extension Cursor: CustomStringConvertible, Codable {
  /// 16 hexadecimal digits, so that texts sort as cursors do.
  package var description: String {
    let digits = String(offset, radix: 16)
    return String(repeating: "0", count: max(0, 16 - digits.count)) + digits
  }

  /// - Throws: `invalidArgument` when the text was not made by `description`.
  package init(_ text: String) throws(EngineError) {
    let isDigits = text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    guard text.utf8.count == 16, isDigits, let offset = Int64(text, radix: 16), offset < Segment.offsetLimit
    else {
      throw EngineError(
        .invalidArgument, "not an event cursor: '\(text.prefix(100))'",
        hint: "give a cursor back as it came with an event")
    }
    self.offset = offset
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    do {
      try self.init(text)
    } catch {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: error.message)
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
