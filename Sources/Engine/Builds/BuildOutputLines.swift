/// Cuts what a RUN writes into lines, says with each of which step it is, and keeps the last ones for an error.
struct BuildOutputLines {
  private let prefix: [UInt8]
  private var partial: [UInt8] = []
  private(set) var last: [String] = []

  init(step: Int) { prefix = Array("#\(step) ".utf8) }

  private static let longest = 64 << 10
  private static let kept = 20

  /// - Returns: the lines that are whole now, each with its prefix and a newline.
  mutating func take(_ bytes: [UInt8]) -> [UInt8] {
    var whole: [UInt8] = []
    for byte in bytes {
      if byte == UInt8(ascii: "\n") || partial.count >= Self.longest { end(&whole) }
      if byte != UInt8(ascii: "\n") { partial.append(byte) }
    }
    return whole
  }

  /// What is left without an end of line.
  mutating func finish() -> [UInt8] {
    var whole: [UInt8] = []
    if !partial.isEmpty { end(&whole) }
    return whole
  }

  private mutating func end(_ whole: inout [UInt8]) {
    whole += prefix
    whole += partial
    whole.append(UInt8(ascii: "\n"))
    if last.count == Self.kept { last.removeFirst() }
    last.append(String(decoding: partial.prefix(1000), as: UTF8.self))
    partial = []
  }
}
