import CLinux

/// The container's log: whole records only, appended by this process alone.
///
/// With a limit it is begun anew whenever a part of that size is full. On a full disk output is dropped and counted, the
/// container runs on, and as soon as there is space again a record says how much is missing.
struct OutputLog {
  private var file: CInt
  private var end: off_t
  private let parts: LogParts?
  private var lost: UInt64 = 0
  private(set) var lostInAll: UInt64 = 0

  /// Makes a log end with a whole record, unless the request says that it does.
  init(_ request: Request) throws(Failure) {
    file = try check(
      CLINUX_STEP_OPEN, clinux_open(request.log, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600))
    end = lseek(file, 0, SEEK_END)
    parts = request.logBytes > 0 ? try LogParts(request) : nil
    if end > 0 && request.flags & CLINUX_REQUEST_LOG_WHOLE.rawValue == 0 { try cutOffPart() }
    if end == 0, let start = parts?.endOfPrevious(), start > 0 { _ = writeStart(start) }
  }

  /// A killed shim, or a power cut, may have left a part of a record: all after it would be unreadable.
  private mutating func cutOffPart() throws(Failure) {
    let headerSize = MemoryLayout<clinux_log_record>.size
    let blockSize = 256 << 10
    guard let block = clinux_map_memory(blockSize) else { throw Failure(CLINUX_STEP_OPEN, ENOMEM) }
    defer { clinux_unmap(block, blockSize) }
    var whole: off_t = 0
    var isBroken = false
    while !isBroken, whole + off_t(headerSize) <= end {
      let count = pread(file, block, blockSize, whole)
      // A disk that does not read is no reason to throw away what it may read later.
      if count < headerSize { return }
      // The records that begin in this block, the last of which may end behind it.
      var next = 0
      while next + headerSize <= count {
        let header = block.loadUnaligned(fromByteOffset: next, as: clinux_log_record.self)
        let size = headerSize + Int(header.length)
        isBroken =
          UInt32(header.stream) > CLINUX_LOG_START.rawValue || header.length > UInt32(CLINUX_LOG_PAYLOAD)
          || whole + off_t(next + size) > end
        if isBroken { break }
        next += size
      }
      whole += off_t(next)
    }
    if whole < end { _ = ftruncate(file, whole) }
    end = whole
  }

  mutating func append(_ stream: clinux_log_stream, _ bytes: UnsafeRawPointer, _ count: Int) {
    guard let parts else { return appendOne(stream, bytes, count) }
    // No part is longer than the limit; what does not fit is cut, so that parts are full.
    var done = 0
    while done < count {
      let room = parts.room(behind: end)
      if room < min(count - done, LogParts.leastRoom), end > LogParts.startSize, turn(parts) { continue }
      let piece = min(count - done, max(room, LogParts.leastRoom))
      appendOne(stream, bytes + done, piece)
      done += piece
    }
  }

  private mutating func appendOne(_ stream: clinux_log_stream, _ bytes: UnsafeRawPointer, _ count: Int) {
    if lost > 0 { writeLoss() }
    if lost > 0 || !write(stream, bytes, count) {
      lost &+= UInt64(count)
      lostInAll &+= UInt64(count)
    }
  }

  /// Begins the next part. When it cannot be made, on a full disk, the present one is gone on with.
  private mutating func turn(_ parts: LogParts) -> Bool {
    let next = parts.makeNext()
    guard next >= 0 else { return false }
    let (full, fullEnd) = (file, end)
    let start = UInt64(end) &+ parts.start(of: file)
    (file, end) = (next, 0)
    guard writeStart(start), parts.shift() else {
      (file, end) = (full, fullEnd)
      _ = close(next)
      parts.removeNext()
      return false
    }
    // Who waits for more in the full part has been woken by its new name, perhaps before the next one had the old name.
    _ = fchmod(full, 0o600)
    _ = close(full)
    return true
  }

  /// Where in the whole log this part begins.
  private mutating func writeStart(_ start: UInt64) -> Bool {
    var start = start
    return write(CLINUX_LOG_START, &start, MemoryLayout<UInt64>.size)
  }

  /// The container has ended: a loss that is not yet recorded is tried once more.
  mutating func finish() {
    if lost > 0 { writeLoss() }
  }

  private mutating func writeLoss() {
    var amount = lost
    if write(CLINUX_LOG_LOST, &amount, MemoryLayout<UInt64>.size) { lost = 0 }
  }

  /// Header and payload at the known end; a part of a record is cut off again.
  private mutating func write(
    _ stream: clinux_log_stream, _ bytes: UnsafeRawPointer, _ count: Int
  ) -> Bool {
    var header = clinux_log_record()
    header.time = clinux_now()
    header.stream = UInt8(truncatingIfNeeded: stream.rawValue)
    header.length = UInt32(truncatingIfNeeded: count)
    let headerSize = MemoryLayout<clinux_log_record>.size
    var done = 0
    while done < headerSize + count {
      let result = withUnsafeMutableBytes(of: &header) { headerBytes in
        var parts = (
          iovec(
            iov_base: headerBytes.baseAddress.unsafelyUnwrapped + min(done, headerSize),
            iov_len: headerSize - min(done, headerSize)),
          iovec(
            iov_base: UnsafeMutableRawPointer(mutating: bytes) + max(0, done - headerSize),
            iov_len: count - max(0, done - headerSize))
        )
        return withUnsafeMutableBytes(of: &parts) {
          pwritev(
            file, $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: iovec.self), 2, end + off_t(done))
        }
      }
      if result < 0 && clinux_errno() == EINTR { continue }
      if result <= 0 {
        _ = ftruncate(file, end)
        return false
      }
      done += result
    }
    end += off_t(done)
    return true
  }
}
