/// A line after its continuations were joined, which knows for each byte where it was in the file.
struct LogicalLine {
  private(set) var bytes: [UInt8] = []
  private var pieces: [Piece] = []
  /// Behind its last byte.
  private(set) var end = SourcePosition(line: 1, column: 1)

  /// Bytes that follow each other in the file, all of one line.
  private struct Piece {
    var start: Int
    var position: SourcePosition
  }

  mutating func append(_ more: some Collection<UInt8>, at position: SourcePosition) {
    pieces.append(Piece(start: bytes.count, position: position))
    bytes += more
    end = SourcePosition(line: position.line, column: position.column + Self.scalars(in: more))
  }

  func position(of offset: Int) -> SourcePosition {
    guard let piece = pieces.last(where: { $0.start <= offset }) else { return end }
    let before = bytes[piece.start..<min(max(offset, piece.start), bytes.count)]
    return SourcePosition(
      line: piece.position.line, column: piece.position.column + Self.scalars(in: before))
  }

  var text: String { text(bytes.startIndex..<bytes.endIndex) }

  func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

  func word(_ range: Range<Int>) -> Word { Word(text(range), at: position(of: range.lowerBound)) }

  /// The range without white space at its ends.
  func trimmed(_ range: Range<Int>) -> Range<Int> {
    var (low, high) = (range.lowerBound, range.upperBound)
    while low < high, bytes[low].isBlank { low += 1 }
    while low < high, bytes[high - 1].isBlank { high -= 1 }
    return low..<high
  }

  private static func scalars(in bytes: some Collection<UInt8>) -> Int {
    bytes.reduce(0) { $0 + ($1 & 0xc0 == 0x80 ? 0 : 1) }
  }
}

extension UInt8 {
  /// Of the white space that is in ASCII.
  var isBlank: Bool { self == UInt8(ascii: " ") || (9...13).contains(self) }
  var isNewline: Bool { self == UInt8(ascii: "\n") || self == UInt8(ascii: "\r") }
}

extension Collection<UInt8> {
  func droppingLeadingBlanks() -> SubSequence { drop { $0.isBlank } }
}
