/// The last lines of a sequence of records, in memory for those lines only, and for at most 64 MiB with what each record takes
/// besides its bytes: of more than that the end is kept.
struct LineTail {
  /// Of the record, its array, and its place in `newlines`.
  private static let recordSize =
    MemoryLayout<LogRecord>.stride + MemoryLayout<Int>.stride + 48
  private let count: Int
  private let sizeLimit: Int
  private var kept: [LogRecord] = []
  private var newlines: [Int] = []
  private var first = 0
  private var total = 0
  private var size = 0

  init(count: Int, sizeLimit: Int = 64 << 20) {
    self.count = max(0, count)
    self.sizeLimit = sizeLimit
  }

  mutating func add(_ record: LogRecord) {
    kept.append(record)
    let lines = record.content.bytes.count { $0 == UInt8(ascii: "\n") }
    newlines.append(lines)
    total += lines
    size += record.content.bytes.count + Self.recordSize
    trim()
  }

  /// What is left, the first record cut to its part of the lines.
  func records() -> [LogRecord] {
    guard count > 0 else { return [] }
    var result = Array(kept[first...])
    // A last line without its newline is a line as well.
    let endsOpen = result.last.map { $0.content.bytes.last != UInt8(ascii: "\n") } ?? false
    var excess = total + (endsOpen ? 1 : 0) - count
    var index = 0
    while excess > 0, index < result.count {
      let bytes = result[index].content.bytes
      var start = 0
      while excess > 0, let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
        start = newline + 1
        excess -= 1
      }
      if excess > 0 || start == bytes.count {
        index += 1
      } else {
        result[index].content = result[index].content.replacingBytes(Array(bytes[start...]))
      }
    }
    return Array(result[index...])
  }

  /// Drops records from the front while enough lines, and one more for an open end, remain without them.
  private mutating func trim() {
    while first < kept.count - 1, total - newlines[first] > count || size > sizeLimit {
      total -= newlines[first]
      size -= kept[first].content.bytes.count + Self.recordSize
      // The bytes go now, the place in the array with many others.
      kept[first].content = .lost(bytes: 0)
      first += 1
    }
    if first > max(1024, kept.count / 2) {
      kept.removeFirst(first)
      newlines.removeFirst(first)
      first = 0
    }
  }
}

extension LogRecord.Content {
  /// Empty for a loss.
  package var bytes: [UInt8] {
    switch self {
    case .stdout(let bytes), .stderr(let bytes): bytes
    case .lost: []
    }
  }

  fileprivate func replacingBytes(_ bytes: [UInt8]) -> LogRecord.Content {
    switch self {
    case .stdout: .stdout(bytes)
    case .stderr: .stderr(bytes)
    case .lost: self
    }
  }
}
