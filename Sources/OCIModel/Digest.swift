package import EngineErrors

/// A content digest in the form of the OCI image specification ("Digests"): `sha256:` and 64 lower-case
/// hexadecimal digits. A value of this type is always well formed, so it is safe as a file name.
package struct Digest: Hashable, Sendable, CustomStringConvertible {
  package let description: String

  /// - Throws: `invalidArgument` when the text is not a sha256 digest.
  package init(_ text: some StringProtocol) throws(EngineError) {
    try self.init(String(text))
  }

  package init(_ text: String) throws(EngineError) {
    guard let digest = Digest(wellFormed: text) else {
      throw EngineError(
        .invalidArgument, "not a sha256 digest: \(String(text.prefix(100)))",
        hint: "a digest is sha256: and 64 lower-case hexadecimal digits")
    }
    self = digest
  }

  package init?(hex: some StringProtocol) { self.init(wellFormed: Self.algorithm + hex) }

  /// Lists have tens of thousands of these, so the bytes are looked at where they are.
  private init?(wellFormed text: String) {
    var text = text
    let isWellFormed = text.withUTF8 { bytes in
      let algorithm = Self.algorithm.utf8.count
      guard bytes.count == algorithm + 64, bytes.prefix(algorithm).elementsEqual(Self.algorithm.utf8) else {
        return false
      }
      for byte in bytes[algorithm...] where !(48...57 ~= byte || 97...102 ~= byte) { return false }
      return true
    }
    guard isWellFormed else { return nil }
    description = text
  }

  private static let algorithm = "sha256:"

  /// The digest of bytes that are all in memory.
  package init(of bytes: UnsafeRawBufferPointer) {
    var hasher = SHA256()
    hasher.update(bytes)
    self = hasher.finish()
  }

  package init(of bytes: some Sequence<UInt8>) {
    self = Array(bytes).withUnsafeBytes { Digest(of: $0) }
  }

  init(raw: [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    let hex = raw.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    description = Self.algorithm + String(decoding: hex, as: UTF8.self)
  }

  /// The 64 hexadecimal digits without the algorithm.
  package var hex: String { String(description.dropFirst(Self.algorithm.count)) }

  /// The first twelve digits, as people read them.
  package var short: String { String(hex.prefix(12)) }
}

extension Digest: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    do {
      try self.init(text)
    } catch {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: error.message)
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
