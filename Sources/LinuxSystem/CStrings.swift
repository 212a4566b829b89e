import Glibc

/// A null-terminated array of C strings for the time of `body`.
func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>>) -> Result
) -> Result {
  let copies = strings.map { strdup($0) }
  defer { copies.forEach { free($0) } }
  let list = copies.map { UnsafePointer<CChar>($0) } + [nil]
  return list.withUnsafeBufferPointer { buffer in
    // The array ends with a null pointer, which the C side expects; its type says non-null for the strings before it.
    buffer.baseAddress.unsafelyUnwrapped.withMemoryRebound(
      to: UnsafePointer<CChar>.self, capacity: buffer.count, body)
  }
}

extension Collection<UInt8> {
  /// As C's calls take it.
  @inlinable package var cString: [CChar] {
    let count = self.count
    return [CChar](unsafeUninitializedCapacity: count + 1) { text, filled in
      var index = 0
      for byte in self {
        text.initializeElement(at: index, to: CChar(bitPattern: byte))
        index += 1
      }
      text.initializeElement(at: index, to: 0)
      filled = index + 1
    }
  }
}
