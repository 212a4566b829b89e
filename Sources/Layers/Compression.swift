package import EngineErrors
package import SystemPackage

/// How a layer is compressed, told by its first bytes.
package enum Compression: Sendable {
  case gzip
  case zstd
  case none

  /// How many bytes `detect` needs.
  static let magicLength = 4

  package static func detect(_ first: some Collection<UInt8>) -> Compression {
    if first.starts(with: [0x1f, 0x8b]) { return .gzip }
    if first.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) { return .zstd }
    return .none
  }

  package static func detect(fileAt path: FilePath) throws(EngineError) -> Compression {
    do {
      let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
      defer { try? file.close() }
      var first = [UInt8](repeating: 0, count: magicLength)
      let count = try first.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }
      return detect(first.prefix(count))
    } catch {
      throw EngineError("read \(path)", wrapping: error, subject: path.string)
    }
  }
}
