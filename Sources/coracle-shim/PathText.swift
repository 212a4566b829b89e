import CLinux

/// A path being put together, NUL-terminated; what does not fit in PATH_MAX makes it too long.
///
/// The container's process does not free its memory: exec does that.
struct PathText {
  private static var capacity: Int { 4096 }
  private let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: PathText.capacity)
  private(set) var count = 0
  private(set) var isTooLong = false

  init() { bytes[0] = 0 }

  var cString: CString { CString(bytes) }

  func deallocate() { bytes.deallocate() }

  mutating func clear() {
    count = 0
    isTooLong = false
    bytes[0] = 0
  }

  mutating func add(byte: CChar) {
    guard count + 1 < Self.capacity else {
      isTooLong = true
      return
    }
    bytes[count] = byte
    count += 1
    bytes[count] = 0
  }

  mutating func add(_ text: StaticString) {
    text.withUTF8Buffer { buffer in
      for byte in buffer { add(byte: CChar(bitPattern: byte)) }
    }
  }

  mutating func add(string: CString, count length: Int) {
    for index in 0..<length { add(byte: string[index]) }
  }

  mutating func add(string: CString) { add(string: string, count: strlen(string)) }

  mutating func add(number: UInt64) {
    if number >= 10 { add(number: number / 10) }
    add(byte: CChar(truncatingIfNeeded: 48 + number % 10))
  }
}
