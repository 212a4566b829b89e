import CLinux

typealias CString = UnsafePointer<CChar>

/// The request that the service wrote, mapped for the life of the process.
struct Request {
  let mode: UInt32
  /// Whether no shim stays with the process.
  var isForRuntime: Bool { mode == CLINUX_MODE_RUNTIME.rawValue || mode == CLINUX_MODE_RUNTIME_EXEC.rawValue }
  let flags: UInt32
  let namespaces: UInt64
  let operationCount: UInt32
  /// The container's directory in run/, absolute.
  let runDirectory: CString
  let log: CString
  /// The size of a part of the log; 0 where it has one part without an end.
  let logBytes: UInt64
  let logFiles: UInt64
  /// How many descriptors of an OCI runtime's caller the process gets.
  let preserved: CInt
  /// At the first operation.
  let operations: Fields
  private let mapped: UnsafeRawPointer
  private let size: Int

  /// Nil unless the descriptor is a request of this build's own format.
  init?(descriptor: CInt) {
    var size = 0
    guard let mapped = clinux_map_file(descriptor, &size), size >= MemoryLayout<clinux_request>.size else {
      return nil
    }
    let header = mapped.load(as: clinux_request.self)
    guard header.magic == CLINUX_REQUEST_MAGIC, header.size == UInt64(size),
      header.preserved <= UInt64(CLINUX_PRESERVED_LIMIT)
    else { return nil }
    var fields = Fields(
      mapped + MemoryLayout<clinux_request>.size, size - MemoryLayout<clinux_request>.size)
    guard let runDirectory = fields.string(), let log = fields.string() else { return nil }
    mode = header.mode
    flags = header.flags
    namespaces = header.namespaces
    operationCount = header.operation_count
    logBytes = header.log_bytes
    logFiles = header.log_files
    preserved = CInt(header.preserved)
    self.runDirectory = runDirectory
    self.log = log
    operations = fields
    self.mapped = mapped
    self.size = size
  }

  /// Gives back the memory that the plan was read into; it is read anew from the memfd for a restart.
  func releaseMemory() { clinux_release_memory(UnsafeMutableRawPointer(mutating: mapped), size) }
}

/// Reads fields one after the other, within bounds.
struct Fields {
  private var next: UnsafeRawPointer
  private var left: Int

  init(_ start: UnsafeRawPointer, _ count: Int) {
    next = start
    left = count
  }

  mutating func number() -> UInt64? {
    guard left >= 8 else { return nil }
    let value = next.load(as: UInt64.self)
    skip(8)
    return value
  }

  mutating func bytes() -> UnsafeRawBufferPointer? {
    guard let length = number(), length < UInt64(left) else { return nil }
    let count = Int(length)
    let padded = (count + 1 + 7) & ~7
    guard padded <= left else { return nil }
    let bytes = UnsafeRawBufferPointer(start: next, count: count)
    skip(padded)
    return bytes
  }

  /// The encoder ends each byte string with a NUL and refuses strings that contain one.
  mutating func string() -> CString? {
    bytes()?.baseAddress?.assumingMemoryBound(to: CChar.self)
  }

  mutating func operation() -> (code: UInt32, fields: Fields)? {
    guard left >= MemoryLayout<clinux_operation>.size else { return nil }
    let header = next.load(as: clinux_operation.self)
    skip(MemoryLayout<clinux_operation>.size)
    guard Int(header.size) <= left else { return nil }
    let fields = Fields(next, Int(header.size))
    skip(Int(header.size))
    return (header.code, fields)
  }

  private mutating func skip(_ count: Int) {
    next += count
    left -= count
  }
}

/// The reading of arguments inside an operation: what is missing is a malformed plan.
extension Fields {
  mutating func takeNumber() throws(Failure) -> UInt64 {
    guard let value = number() else { throw Failure(CLINUX_STEP_REQUEST, EINVAL) }
    return value
  }
  mutating func takeString() throws(Failure) -> CString {
    guard let value = string() else { throw Failure(CLINUX_STEP_REQUEST, EINVAL) }
    return value
  }
  mutating func takeBytes() throws(Failure) -> UnsafeRawBufferPointer {
    guard let value = bytes() else { throw Failure(CLINUX_STEP_REQUEST, EINVAL) }
    return value
  }
}
