import CLinux

/// The parts of a log that is begun anew when one is full: `log` is the present one, `log.1` the one before, and so on.
///
/// A part but the very first begins with a record of where it stands in the whole log, in bytes of the files.
/// Parts are renamed and never written to after that; who reads one has it open, and finds the next by that number.
struct LogParts {
  /// The size in bytes of a start record, which is also that of a loss.
  static var startSize: Int { MemoryLayout<clinux_log_record>.size + MemoryLayout<UInt64>.size }

  let limit: Int
  /// At least 1, the present one included.
  private let most: UInt64
  private let directory: CInt
  private let name: CString

  init(_ request: Request) throws(Failure) {
    limit = max(Int(truncatingIfNeeded: request.logBytes), 4096)
    most = max(request.logFiles, 1)
    var nameStart = strlen(request.log)
    while nameStart > 0, request.log[nameStart - 1] != slash { nameStart -= 1 }
    name = request.log + nameStart
    let path = PathText()
    defer { path.deallocate() }
    var parent = path
    parent.add(string: request.log, count: nameStart)
    if nameStart == 0 { parent.add(".") }
    directory = try check(
      CLINUX_STEP_OPEN, clinux_open(parent.cString, CLINUX_O_PATH | O_DIRECTORY | O_CLOEXEC, 0))
  }

  /// A record is not cut to less than this.
  static var leastRoom: Int { 1024 }

  /// For one record's bytes, behind so many bytes of the part; a loss may be recorded in front of it.
  func room(behind end: off_t) -> Int {
    limit - Int(end) - Self.startSize - MemoryLayout<clinux_log_record>.size
  }

  /// Where the part of an open file begins; it is at the file's beginning, if at all.
  func start(of file: CInt) -> UInt64 {
    var header = clinux_log_record()
    var start: UInt64 = 0
    let size = MemoryLayout<clinux_log_record>.size
    guard pread(file, &header, size, 0) == size, UInt32(header.stream) == CLINUX_LOG_START.rawValue,
      pread(file, &start, 8, off_t(size)) == 8
    else { return 0 }
    return start
  }

  /// Where a present part begins that a killed shim did not come to make; 0 where there is no other.
  func endOfPrevious() -> UInt64 {
    var previous = part(1)
    let file = previous.withCString { clinux_openat(directory, $0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0) }
    guard file >= 0 else { return 0 }
    defer { _ = close(file) }
    return start(of: file) &+ UInt64(max(0, lseek(file, 0, SEEK_END)))
  }

  /// An empty file beside the present part, or -1.
  func makeNext() -> CInt {
    var next = nextName
    return next.withCString {
      clinux_openat(directory, $0, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    }
  }

  func removeNext() {
    var next = nextName
    next.withCString { _ = unlinkat(directory, $0, 0) }
  }

  /// Gives each part the number after its own, the oldest's to the one before it, and the present one's name to the next.
  func shift() -> Bool {
    var highest: UInt64 = 0
    while highest + 1 < most, exists(part(highest + 1)) { highest += 1 }
    if highest + 1 == most, highest > 0 { highest -= 1 }
    while highest > 0 {
      move(part(highest), part(highest + 1))
      highest -= 1
    }
    if most > 1 { move(part(0), part(1)) }
    return move(nextName, part(0))
  }

  private var nextName: SmallText {
    var text = SmallText()
    text.add(name)
    text.add(".new")
    return text
  }

  private func part(_ number: UInt64) -> SmallText {
    var text = SmallText()
    text.add(name)
    if number > 0 {
      text.add(".")
      text.add(number)
    }
    return text
  }

  private func exists(_ part: SmallText) -> Bool {
    var part = part
    return part.withCString { faccessat(directory, $0, F_OK, 0) } == 0
  }

  @discardableResult
  private func move(_ from: SmallText, _ to: SmallText) -> Bool {
    var (from, to) = (from, to)
    return from.withCString { from in to.withCString { to in renameat(directory, from, directory, to) == 0 } }
  }
}
