import CLinux

/// The container's log: whole records only, appended by this process alone.
///
/// On a full disk output is dropped and counted, the container runs on, and as soon as there is space again a
/// record says how much is missing.
struct OutputLog {
  private let file: CInt
  private var end: off_t
  private var lost: UInt64 = 0
  private(set) var lostInAll: UInt64 = 0

  /// - Parameter isWhole: the log is known to end with a whole record; otherwise that is made so.
  init(path: CString, isWhole: Bool) throws(Failure) {
    file = try check(
      CLINUX_STEP_OPEN, clinux_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600))
    end = lseek(file, 0, SEEK_END)
    if end > 0 && !isWhole { cutOffPart() }
  }

  /// A killed shim, or a power cut, may have left a part of a record: all after it would be unreadable.
  private mutating func cutOffPart() {
    let headerSize = off_t(MemoryLayout<clinux_log_record>.size)
    var whole: off_t = 0
    while whole + headerSize <= end {
      var header = clinux_log_record()
      guard pread(file, &header, Int(headerSize), whole) == Int(headerSize), header.stream <= 2,
        header.length <= UInt32(CLINUX_LOG_PAYLOAD), whole + headerSize + off_t(header.length) <= end
      else { break }
      whole += headerSize + off_t(header.length)
    }
    if whole < end { _ = ftruncate(file, whole) }
    end = whole
  }

  mutating func append(_ stream: clinux_log_stream, _ bytes: UnsafeRawPointer, _ count: Int) {
    if lost > 0 { writeLoss() }
    if lost > 0 || !write(stream, bytes, count) {
      lost &+= UInt64(count)
      lostInAll &+= UInt64(count)
    }
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
