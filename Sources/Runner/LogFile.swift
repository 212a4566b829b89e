import CLinux
internal import EngineErrors
import Glibc
internal import SystemPackage

/// Reads whole records from one part of a log that its shim may be writing at the same time.
///
/// A record that is not all there yet may still be cut off again (full disk), so its bytes are never used.
final class LogFile {
  private static let headerSize = MemoryLayout<clinux_log_record>.size
  private let path: FilePath
  let descriptor: FileDescriptor
  /// Where in the whole log this part begins.
  let start: Int64
  private var buffer: [UInt8] = []
  /// Where in the file the buffer begins, and where in the buffer the next record does.
  private var bufferOffset: Int64 = 0
  private var next = 0

  init(path: FilePath) throws {
    self.path = path
    descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .noFollow])
    do { start = try Self.start(of: descriptor) } catch {
      try? descriptor.close()
      throw error
    }
  }

  deinit { try? descriptor.close() }

  /// The part's first record says it, unless it is the very first part.
  private static func start(of file: FileDescriptor) throws -> Int64 {
    let size = headerSize + MemoryLayout<UInt64>.size
    let bytes = try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = try file.read(fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(buffer))
    }
    guard bytes.count == size else { return 0 }
    return bytes.withUnsafeBytes { bytes in
      let header = bytes.loadUnaligned(as: clinux_log_record.self)
      guard UInt32(header.stream) == CLINUX_LOG_START.rawValue, header.length == 8 else { return 0 }
      return Int64(clamping: bytes.loadUnaligned(fromByteOffset: headerSize, as: UInt64.self))
    }
  }

  /// Of the next record, in the whole log.
  var position: Int64 { start + bufferOffset + Int64(next) }

  /// Goes to a record of this part.
  func seek(to position: Int64) {
    bufferOffset = max(0, position - start)
    buffer = []
    next = 0
  }

  func isSameFile(as path: FilePath) -> Bool {
    var (own, named) = (stat(), stat())
    guard fstat(descriptor.rawValue, &own) == 0, lstat(path.string, &named) == 0 else { return false }
    return own.st_dev == named.st_dev && own.st_ino == named.st_ino
  }

  func isSameFile(as other: LogFile) -> Bool {
    var (own, its) = (stat(), stat())
    guard fstat(descriptor.rawValue, &own) == 0, fstat(other.descriptor.rawValue, &its) == 0 else {
      return false
    }
    return own.st_dev == its.st_dev && own.st_ino == its.st_ino
  }

  /// The next record, or nil at the end of what is written whole by now.
  func nextRecord() throws -> LogRecord? {
    while let header = try header(reading: 256 << 10) {
      let size = Self.headerSize + Int(header.length)
      if buffer.count - next < size { try refill(atLeast: size, wanted: 256 << 10) }
      guard buffer.count - next >= size else { return nil }
      let bytes = Array(buffer[(next + Self.headerSize)..<(next + size)])
      next += size
      switch UInt32(header.stream) {
      case CLINUX_LOG_STDOUT.rawValue: return LogRecord(time: header.time, content: .stdout(bytes))
      case CLINUX_LOG_STDERR.rawValue: return LogRecord(time: header.time, content: .stderr(bytes))
      case CLINUX_LOG_LOST.rawValue:
        let amount = bytes.count == 8 ? bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } : 0
        return LogRecord(time: header.time, content: .lost(bytes: amount))
      default: continue
      }
    }
    return nil
  }

  /// Goes to the end of what is written whole by now, by the records' headers alone.
  func skipToEnd() throws {
    var step = 64 << 10
    var end = try descriptor.seek(offset: 0, from: .end)
    while let header = try header(reading: step) {
      // Between long records only headers are read.
      step = header.length < 4096 ? 64 << 10 : Self.headerSize
      let size = Self.headerSize + Int(header.length)
      if buffer.count - next >= size {
        next += size
      } else {
        let after = bufferOffset + Int64(next + size)
        if after > end { end = try descriptor.seek(offset: 0, from: .end) }
        if after > end { return }
        seek(to: start + after)
      }
    }
  }

  /// The next record's header, which is then in the buffer.
  private func header(reading wanted: Int) throws -> clinux_log_record? {
    if buffer.count - next < Self.headerSize { try refill(atLeast: Self.headerSize, wanted: wanted) }
    guard buffer.count - next >= Self.headerSize else { return nil }
    let header = buffer.withUnsafeBytes {
      $0.loadUnaligned(fromByteOffset: next, as: clinux_log_record.self)
    }
    guard Int(header.length) <= Int(CLINUX_LOG_PAYLOAD), UInt32(header.stream) <= CLINUX_LOG_START.rawValue
    else {
      throw EngineError(
        .corrupt, "cannot read log \(path): there is no record at \(bufferOffset + Int64(next))")
    }
    return header
  }

  /// Reads anew from the next record on: what is buffered behind it may have changed.
  private func refill(atLeast count: Int, wanted: Int) throws {
    bufferOffset += Int64(next)
    next = 0
    let (file, offset) = (descriptor, bufferOffset)
    buffer = try [UInt8](unsafeUninitializedCapacity: max(count, wanted)) { bytes, filled in
      while filled < count {
        let target = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[filled...])
        let read = try file.read(fromAbsoluteOffset: offset + Int64(filled), into: target)
        if read == 0 { break }
        filled += read
      }
    }
  }
}
