/// How messages are told apart on a stream of bytes.
public enum Framing: String, Sendable, CaseIterable {
  /// LSP's: a header block with `Content-Length`, then the message.
  case contentLength = "content-length"
  /// One message a line.
  case lines

  /// The bytes of one message on the wire. The message has no line break of its own: JSON escapes them.
  public func encode(_ message: consuming [UInt8]) -> [UInt8] {
    switch self {
    case .contentLength: return Array("Content-Length: \(message.count)\r\n\r\n".utf8) + message
    case .lines:
      message.append(UInt8(ascii: "\n"))
      return message
    }
  }

  /// The message in what `encode` has made of it.
  func message(in bytes: [UInt8]) -> ArraySlice<UInt8> {
    switch self {
    // The header is one line and an empty one.
    case .contentLength: bytes.drop { $0 != UInt8(ascii: "\n") }.dropFirst(3)
    case .lines: bytes.dropLast()
    }
  }
}

/// The bounds of incoming messages, in bytes.
public struct FrameLimits: Sendable {
  public var frame: Int
  public var header: Int

  public static let standard = FrameLimits(frame: 16 << 20, header: 4 << 10)
}
