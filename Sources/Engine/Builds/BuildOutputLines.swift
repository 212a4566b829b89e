/// Cuts what a RUN writes into lines, says with each of which step it is, and keeps the last ones for an error.
struct BuildOutputLines {
  enum Stream: Int { case stdout, stderr }

  private let prefix: [UInt8]
  /// Of each stream, so that a line of one is not in the middle of the other's.
  private var partial: [[UInt8]] = [[], []]
  private(set) var last: [String] = []

  init(step: Int) { prefix = Array("#\(step) ".utf8) }

  private static let longest = 64 << 10
  private static let kept = 20

  /// - Returns: the lines that are whole now, each with its prefix and a newline.
  mutating func take(_ bytes: [UInt8], _ stream: Stream) -> [UInt8] {
    var whole: [UInt8] = []
    for byte in bytes {
      let isEnd = byte == UInt8(ascii: "\n")
      if isEnd || partial[stream.rawValue].count >= Self.longest { end(&whole, stream.rawValue) }
      if !isEnd { partial[stream.rawValue].append(byte) }
    }
    return whole
  }

  /// Says in the place of output that was written faster than anybody took it how much is missing.
  mutating func lost(_ bytes: UInt64) -> [UInt8] {
    finish() + take(Array("(\(bytes) bytes of the output are missing here)\n".utf8), .stderr)
  }

  /// What is left without an end of line.
  mutating func finish() -> [UInt8] {
    var whole: [UInt8] = []
    for stream in partial.indices where !partial[stream].isEmpty { end(&whole, stream) }
    return whole
  }

  private mutating func end(_ whole: inout [UInt8], _ stream: Int) {
    whole += prefix
    whole += partial[stream]
    whole.append(UInt8(ascii: "\n"))
    if last.count == Self.kept { last.removeFirst() }
    last.append(String(decoding: partial[stream].prefix(1000), as: UTF8.self))
    partial[stream] = []
  }
}
