/// A line after its continuations were joined, which knows for each byte where it was in the file.
struct LogicalLine {
  private(set) var bytes: [UInt8] = []
  private var pieces: [Piece] = []
  /// Behind its last byte.
  private(set) var end = SourcePosition(line: 1, column: 1)

  /// Bytes that follow each other in the file, all of one line; so few that it takes no time to count them for each word.
  private struct Piece {
    var start: Int
    var position: SourcePosition
  }

  mutating func append(_ more: some Collection<UInt8>, at position: SourcePosition) {
    end = position
    var rest = more[...]
    repeat {
      let part = rest.prefix(Self.longestPiece)
      rest = rest.dropFirst(Self.longestPiece)
      pieces.append(Piece(start: bytes.count, position: end))
      bytes += part
      end.column += Self.scalars(in: part)
    } while !rest.isEmpty
  }

  /// In bytes.
  private static let longestPiece = 256

  func position(of offset: Int) -> SourcePosition {
    // The last one that begins there or before; their starts ascend.
    var (low, high) = (0, pieces.count)
    while low < high {
      let middle = (low + high) / 2
      if pieces[middle].start <= offset { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return end }
    let piece = pieces[low - 1]
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
