import CLinux

/// Two descriptors, close-on-exec and blocking; the caller closes them.
struct Pipe {
  let readEnd: CInt
  let writeEnd: CInt

  /// None yet.
  static var none: Pipe { Pipe(readEnd: -1, writeEnd: -1) }

  private init(readEnd: CInt, writeEnd: CInt) {
    self.readEnd = readEnd
    self.writeEnd = writeEnd
  }

  func close() {
    for end in [readEnd, writeEnd] where end >= 0 { _ = CLinux.close(end) }
  }

  init() throws(Failure) {
    var ends: (CInt, CInt) = (-1, -1)
    try check(
      CLINUX_STEP_PIPE, withUnsafeMutableBytes(of: &ends) { clinux_pipe($0.baseAddress.unsafelyUnwrapped) })
    readEnd = ends.0
    writeEnd = ends.1
  }

  /// A file in the place of the read end, and nobody at the other.
  init(readEnd path: StaticString) throws(Failure) {
    readEnd = try check(
      CLINUX_STEP_OPEN,
      path.withUTF8Buffer {
        clinux_open(
          UnsafeRawPointer($0.baseAddress.unsafelyUnwrapped).assumingMemoryBound(to: CChar.self),
          O_RDONLY | O_CLOEXEC, 0)
      })
    writeEnd = -1
  }
}
