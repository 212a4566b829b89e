import SystemPackage

/// Names of files as text that gives their bytes back. What of a name is not UTF-8 stands as a character that Unicode has given to
/// nobody, U+10FF00 and the byte; a name that has such characters itself has their bytes so.
enum NameText {
  private static let first: UInt32 = 0x10FF00
  /// What a file system takes of one name (NAME_MAX) and of a path (PATH_MAX, with its NUL), in bytes.
  static let longest = 255
  static let longestPath = 4095
  /// All of them begin so in UTF-8, and hardly any other name has it.
  private static let mark: UInt8 = 0xF4

  static func text(_ bytes: some Collection<UInt8>) -> String {
    if !bytes.contains(mark), let text = String(validating: bytes, as: UTF8.self) { return text }
    var scalars = String.UnicodeScalarView()
    func add(_ bytes: some Sequence<UInt8>) {
      for byte in bytes {
        if let scalar = Unicode.Scalar(first + UInt32(byte)) { scalars.append(scalar) }
      }
    }
    var parser = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var index = bytes.startIndex
    while true {
      switch parser.parseScalar(from: &iterator) {
      case .emptyInput: return String(scalars)
      case .valid(let encoded):
        let scalar = Unicode.UTF8.decode(encoded)
        if scalar.value >= first { add(encoded) } else { scalars.append(scalar) }
        index = bytes.index(index, offsetBy: encoded.count)
      case .error(let length):
        let end = bytes.index(index, offsetBy: length)
        add(bytes[index..<end])
        index = end
      }
    }
  }

  static func bytes(_ text: some StringProtocol) -> [UInt8] {
    let utf8 = Array(text.utf8)
    guard utf8.contains(mark) else { return utf8 }
    return text.unicodeScalars.flatMap { scalar in
      scalar.value >= first ? [UInt8(truncatingIfNeeded: scalar.value)] : Array(String(scalar).utf8)
    }
  }

  /// With a NUL behind.
  static func cString(_ text: some StringProtocol) -> [CChar] {
    bytes(text).map { CChar(bitPattern: $0) } + [0]
  }

  static func path(_ text: some StringProtocol) -> FilePath {
    cString(text).withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { FilePath(platformString: $0) } ?? FilePath()
    }
  }

  /// For people.
  static func shown(_ text: some StringProtocol) -> String {
    guard text.utf8.contains(mark) else { return String(text) }
    var shown = ""
    for scalar in text.unicodeScalars {
      if scalar.value < first {
        shown.unicodeScalars.append(scalar)
      } else {
        let digits = String(scalar.value & 0xFF, radix: 16)
        shown += "\\x" + (digits.count < 2 ? "0" : "") + digits
      }
    }
    return shown
  }
}
