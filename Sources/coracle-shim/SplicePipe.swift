import CLinux

/// A pipe that bytes pass through on their way from socket to socket.
struct SplicePipe {
  let readEnd: CInt
  let writeEnd: CInt

  func close() {
    _ = CLinux.close(readEnd)
    _ = CLinux.close(writeEnd)
  }
}

/// Empty pipes: a connection has one only while it moves bytes or cannot get rid of some.
struct PipePool {
  /// Of a pipe, in bytes.
  static var capacity: Int { 256 << 10 }
  private var free: InlineArray<4, SplicePipe> = InlineArray(
    repeating: SplicePipe(readEnd: -1, writeEnd: -1))
  private var count = 0

  /// Nil where the system has no more.
  mutating func take() -> SplicePipe? {
    if count > 0 {
      count -= 1
      return free[count]
    }
    var ends: (CInt, CInt) = (-1, -1)
    let result = withUnsafeMutableBytes(of: &ends) {
      clinux_splice_pipe($0.baseAddress.unsafelyUnwrapped, CInt(Self.capacity))
    }
    return result == 0 ? SplicePipe(readEnd: ends.0, writeEnd: ends.1) : nil
  }

  mutating func give(_ pipe: SplicePipe) {
    guard count < free.count else { return pipe.close() }
    free[count] = pipe
    count += 1
  }
}
