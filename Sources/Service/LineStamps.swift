import Runner

/// Puts the time in front of each line of a log. A line that comes in several records has the first one's.
struct LineStamps {
  private var isInLine = (stdout: false, stderr: false)

  mutating func stamped(_ record: LogRecord) -> LogRecord {
    var record = record
    switch record.content {
    case .stdout(let bytes):
      record.content = .stdout(Self.stamped(bytes, record.time, &isInLine.stdout))
    case .stderr(let bytes):
      record.content = .stderr(Self.stamped(bytes, record.time, &isInLine.stderr))
    case .lost: break
    }
    return record
  }

  private static func stamped(_ bytes: [UInt8], _ time: UInt64, _ isInLine: inout Bool) -> [UInt8] {
    let stamp = Array((WireTime.text(Int64(clamping: time)) + " ").utf8)
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count + 2 * stamp.count)
    for byte in bytes {
      if !isInLine { result += stamp }
      result.append(byte)
      isInLine = byte != UInt8(ascii: "\n")
    }
    return result
  }
}
