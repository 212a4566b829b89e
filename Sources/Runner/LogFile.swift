import CLinux
internal import EngineErrors
internal import SystemPackage

/// Reads whole records from a log that its shim may be writing at the same time.
///
/// A record that is not all there yet may still be cut off again (full disk), so its bytes are never used.
struct LogFile: ~Copyable {
  private static let headerSize = MemoryLayout<clinux_log_record>.size
  private let path: FilePath
  private let file: FileDescriptor
  private var buffer: [UInt8] = []
  /// Where in the file the buffer begins, and where in the buffer the next record does.
  private var bufferOffset: Int64 = 0
  private var position = 0

  /// - Parameter offset: of a record, in the file.
  init(path: FilePath, offset: Int64 = 0) throws {
    self.path = path
    bufferOffset = offset
    file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .noFollow])
  }

  /// The offset of the next record.
  var offset: Int64 { bufferOffset + Int64(position) }

  deinit { try? file.close() }

  /// The next record, or nil at the end of what is written whole by now.
  mutating func next() throws -> LogRecord? {
    if buffer.count - position < Self.headerSize { try refill(atLeast: Self.headerSize) }
    guard buffer.count - position >= Self.headerSize else { return nil }
    let header = buffer.withUnsafeBytes {
      $0.loadUnaligned(fromByteOffset: position, as: clinux_log_record.self)
    }
    let length = Int(header.length)
    guard length <= Int(CLINUX_LOG_PAYLOAD), header.stream <= 2 else {
      throw EngineError(
        .corrupt, "cannot read log \(path): there is no record at \(offset)")
    }
    let size = Self.headerSize + length
    if buffer.count - position < size { try refill(atLeast: size) }
    guard buffer.count - position >= size else { return nil }
    let bytes = Array(buffer[(position + Self.headerSize)..<(position + size)])
    let content: LogRecord.Content
    switch UInt32(header.stream) {
    case CLINUX_LOG_STDOUT.rawValue: content = .stdout(bytes)
    case CLINUX_LOG_STDERR.rawValue: content = .stderr(bytes)
    default:
      content = .lost(
        bytes: bytes.count == 8 ? bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } : 0)
    }
    position += size
    return LogRecord(time: header.time, content: content)
  }

  /// Reads anew from the next record on: what is buffered behind it may have changed.
  private mutating func refill(atLeast count: Int) throws {
    bufferOffset += Int64(position)
    position = 0
    let wanted = max(count, 256 * 1024)
    let (file, offset) = (file, bufferOffset)
    buffer = try [UInt8](unsafeUninitializedCapacity: wanted) { bytes, filled in
      while filled < count {
        let target = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[filled...])
        let read = try file.read(fromAbsoluteOffset: offset + Int64(filled), into: target)
        if read == 0 { break }
        filled += read
      }
    }
  }
}
