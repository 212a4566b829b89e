/// Takes bytes as they come, split anywhere, and tells the messages in them.
///
/// A pure value: no input or output, and never more memory than one frame and one read.
public struct FrameDecoder: Sendable {
  public enum Event: Hashable, Sendable {
    case frame([UInt8])
    /// A message over the limit was skipped; the next one follows.
    case tooLong(bytes: Int)
    /// The header block cannot be read, so nobody can tell where the next message begins. Nothing follows.
    case badHeader(String)
  }

  private enum State {
    case header
    case body(length: Int)
    case skipping(Int)
    case skippingLine(Int)
    case ended
  }

  private let framing: Framing
  private let limits: FrameLimits
  private var state = State.header
  private var buffer: [UInt8] = []
  private var position = 0
  /// Up to where a line end was looked for already.
  private var scanned = 0

  public init(_ framing: Framing, limits: FrameLimits = .standard) {
    self.framing = framing
    self.limits = limits
  }

  public mutating func append(_ bytes: some Sequence<UInt8>) {
    if position > 0, position >= buffer.count / 2 {
      buffer.removeFirst(position)
      scanned = max(0, scanned - position)
      position = 0
    }
    buffer.append(contentsOf: bytes)
  }

  /// The next message among the bytes so far; nil until more are appended.
  public mutating func next() -> Event? {
    switch framing {
    case .contentLength: nextByLength()
    case .lines: nextLine()
    }
  }

  /// The end of the input, which ends a line as well. Of a frame by length that is not whole nobody can tell whose it is: it is dropped.
  public mutating func endOfInput() -> Event? {
    guard framing == .lines else { return nil }
    append([UInt8(ascii: "\n")])
    return next()
  }

  private var available: Int { buffer.count - position }

  private mutating func nextByLength() -> Event? {
    while true {
      switch state {
      case .header:
        guard let block = endOfHeader() else {
          return available > limits.header
            ? end(.badHeader("the header is longer than \(limits.header) bytes")) : nil
        }
        let header = buffer[position..<block.start]
        position = block.after
        scanned = position
        switch Self.contentLength(header) {
        case .failure(let problem): return end(.badHeader(problem.text))
        case .success(let length):
          if length > limits.frame {
            state = .skipping(length)
            return .tooLong(bytes: length)
          }
          state = .body(length: length)
        }
      case .body(let length):
        guard available >= length else { return nil }
        let frame = Array(buffer[position..<position + length])
        position += length
        scanned = position
        state = .header
        return .frame(frame)
      case .skipping(let length):
        let skipped = min(length, available)
        position += skipped
        scanned = position
        guard skipped == length else {
          state = .skipping(length - skipped)
          return nil
        }
        state = .header
      case .skippingLine, .ended: return nil
      }
    }
  }

  private mutating func end(_ event: Event) -> Event {
    state = .ended
    buffer = []
    position = 0
    return event
  }

  /// An empty line ends the header: CR LF CR LF, or LF LF from a hand that types it.
  private mutating func endOfHeader() -> (start: Int, after: Int)? {
    var index = max(scanned, position)
    while index < buffer.count {
      if buffer[index] == UInt8(ascii: "\n") {
        var before = index
        if before > position, buffer[before - 1] == UInt8(ascii: "\r") { before -= 1 }
        if before == position || buffer[before - 1] == UInt8(ascii: "\n") {
          scanned = index
          return (before, index + 1)
        }
      }
      index += 1
    }
    scanned = max(position, buffer.count - 1)
    return nil
  }

  private struct Problem: Error { var text: String }

  private static func contentLength(_ block: ArraySlice<UInt8>) -> Result<Int, Problem> {
    var length: Int?
    for line in block.split(separator: UInt8(ascii: "\n")) {
      let text = String(decoding: line, as: UTF8.self)
      guard let colon = text.firstIndex(of: ":") else {
        return .failure(Problem(text: "a header line has no colon"))
      }
      guard text[..<colon].lowercased() == "content-length" else { continue }
      let digits = text[text.index(after: colon)...].filter { !$0.isWhitespace }
      guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits) else {
        return .failure(Problem(text: "Content-Length is not a number"))
      }
      if let length, length != number { return .failure(Problem(text: "Content-Length is given twice")) }
      length = number
    }
    return length.map(Result.success) ?? .failure(Problem(text: "the header has no Content-Length"))
  }

  private mutating func nextLine() -> Event? {
    while true {
      guard let end = buffer[max(scanned, position)...].firstIndex(of: UInt8(ascii: "\n")) else {
        scanned = buffer.count
        return overlongLine()
      }
      let line = buffer[position..<end]
      position = end + 1
      scanned = position
      if case .skippingLine(let bytes) = state {
        state = .header
        return .tooLong(bytes: bytes + line.count)
      }
      if line.count > limits.frame { return .tooLong(bytes: line.count) }
      if line.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0d }) { return .frame(Array(line)) }
    }
  }

  /// Drops what there is of a line over the limit, so that memory stays bounded.
  private mutating func overlongLine() -> Event? {
    if case .skippingLine(let bytes) = state {
      state = .skippingLine(bytes + available)
    } else if available > limits.frame {
      state = .skippingLine(available)
    } else {
      return nil
    }
    buffer = []
    position = 0
    scanned = 0
    return nil
  }
}
