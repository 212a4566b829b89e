import CLinux

/// Text of the run directory's small files, built in one page's fraction without the standard library's strings,
/// which would bring their tables into the shim's memory.
struct SmallText {
  private var bytes: InlineArray<192, UInt8> = InlineArray(repeating: 0)
  private var count = 0

  mutating func add(_ text: StaticString) {
    text.withUTF8Buffer { buffer in
      for byte in buffer { add(byte) }
    }
  }

  mutating func add(_ text: CString) {
    var index = 0
    while text[index] != 0 {
      add(UInt8(bitPattern: text[index]))
      index += 1
    }
  }

  mutating func add(_ number: UInt64) {
    if number >= 10 { add(number / 10) }
    add(UInt8(truncatingIfNeeded: 48 + number % 10))
  }

  private mutating func add(_ byte: UInt8) {
    guard count < 192 else { return }
    bytes[count] = byte
    count += 1
  }

  mutating func withCString<Result>(_ body: (CString) -> Result) -> Result {
    add(UInt8(0))
    return withUnsafeBytes(of: &bytes) { raw in
      body(raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self))
    }
  }

  /// Appends to a file, made if missing.
  mutating func append(to name: CString) -> Bool {
    let file = clinux_open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else { return false }
    defer { _ = close(file) }
    return withUnsafeBytes(of: &bytes) { CLinux.write(file, $0.baseAddress, count) } == count
  }

  /// Writes the file whole or not at all: a temporary name beside it, then a rename.
  func write(to name: CString, temporary: CString) throws(Failure) {
    let file = try check(
      CLINUX_STEP_OPEN, clinux_open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600))
    var copy = bytes
    let written = withUnsafeBytes(of: &copy) { CLinux.write(file, $0.baseAddress, count) }
    let failure = Failure(CLINUX_STEP_WRITE)
    _ = close(file)
    if written != count {
      _ = unlink(temporary)
      throw failure
    }
    try check(CLINUX_STEP_RENAME, rename(temporary, name))
  }
}
