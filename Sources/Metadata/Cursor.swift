package import EngineErrors

/// A place in the journal: right after one event, or at the beginning. Opaque to clients, ordered, and the same in
/// every process.
///
/// An epoch begins with the first service after a start of the machine. A power cut can take the newest events, and
/// their numbers are then used again, but in a new epoch: so a cursor never means another event than it did.
package struct Cursor: Hashable, Comparable, Sendable {
  package let epoch: Int64
  package let number: Int64

  init(epoch: Int64, number: Int64) {
    self.epoch = epoch
    self.number = number
  }

  /// Before the first event that the journal ever had.
  package static let start = Cursor(epoch: 0, number: 0)

  package static func < (left: Cursor, right: Cursor) -> Bool {
    (left.epoch, left.number) < (right.epoch, right.number)
  }
}

extension Cursor: CustomStringConvertible {
  package var description: String { "\(epoch)-\(number)" }

  /// - Throws: `invalidArgument` when the text was not made by `description`.
  package init(_ text: String) throws(EngineError) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let epoch = Int64(parts[0]), let number = Int64(parts[1]), epoch >= 0,
      number >= 0,
      text.allSatisfy({ $0 == "-" || ("0"..."9").contains($0) })
    else {
      throw EngineError(
        .invalidArgument, "not an event cursor: '\(text.prefix(100))'",
        hint: "give a cursor back as it came with an event")
    }
    self.init(epoch: epoch, number: number)
  }
}
