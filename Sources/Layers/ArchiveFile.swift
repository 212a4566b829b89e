import CArchive
package import EngineErrors
import Glibc
import LinuxSystem
package import SystemPackage

/// What is in a file that may be a tar archive, compressed or not, as its content says: the name says nothing.
package enum ArchiveFile {
  /// How it is compressed that `LayerUnpacker` takes itself, or that is decompressed here.
  private static let slowMagics: [[UInt8]] = [[0x42, 0x5a, 0x68], [0xfd, 0x37, 0x7a, 0x58, 0x5a]]

  /// Whether a tar archive begins here, behind gzip, bzip2, xz or zstd or without any. Reads from where the descriptor is.
  package static func isArchive(_ file: FileDescriptor) throws(EngineError) -> Bool {
    guard let stream = try DecompressedStream(file) else { return false }
    var header = [UInt8](repeating: 0, count: 512)
    // One that is damaged is a file as any other.
    let count = (try? header.withUnsafeMutableBytes { try stream.read($0) }) ?? 0
    return count == header.count && isHeader(header)
  }

  /// By its checksum, which all kinds of tar have, the oldest as well: the sum of the header's bytes with blanks in its place.
  static func isHeader(_ header: [UInt8]) -> Bool {
    let field = header[148..<156]
    let digits = field.drop { $0 == UInt8(ascii: " ") || $0 == 0 }.prefix { (48...55).contains($0) }
    guard let told = Int(String(decoding: digits, as: UTF8.self), radix: 8), told > 0 else { return false }
    let others = header[..<148] + header[156...]
    let blanks = field.count * 32
    let unsigned = others.reduce(blanks) { $0 + Int($1) }
    let signed = others.reduce(blanks) { $0 + Int(Int8(bitPattern: $1)) }
    return told == unsigned || told == signed
  }

  /// Gives the archive to `body`, piece by piece, as `LayerUnpacker` takes it.
  ///
  /// - Parameter open: opens the file, each time at its beginning.
  /// - Throws: `corrupt` for what is damaged or costs more than `limits` allow, and what `body` throws.
  package static func read(
    _ file: FileDescriptor, _ limits: UnpackLimits, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    var magic = [UInt8](repeating: 0, count: 8)
    let count = try magic.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    defer { buffer.deallocate() }
    guard slowMagics.contains(where: { magic.prefix(count).starts(with: $0) }) else {
      while true {
        let count = try file.read(into: buffer)
        if count == 0 { return }
        try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    guard let stream = try DecompressedStream(file) else { return }
    var size: Int64 = 0
    while true {
      let count = try stream.read(buffer)
      if count == 0 { return }
      size += Int64(count)
      try limits.check(size, from: stream.taken, of: "archive")
      try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }
}

/// A file's bytes behind one of the compressions that archives have, through libarchive. Used by one thread.
private final class DecompressedStream {
  private let archive: OpaquePointer

  /// Nil for a file that is empty, or damaged at its beginning.
  init?(_ file: FileDescriptor) throws(EngineError) {
    guard let archive = archive_read_new() else {
      throw EngineError(.internal, "cannot start libarchive: no memory")
    }
    self.archive = archive
    archive_read_support_filter_gzip(archive)
    archive_read_support_filter_bzip2(archive)
    archive_read_support_filter_xz(archive)
    archive_read_support_filter_zstd(archive)
    archive_read_support_format_raw(archive)
    var entry: OpaquePointer?
    guard archive_read_open_fd(archive, file.rawValue, 64 << 10) == ARCHIVE_OK,
      archive_read_next_header(archive, &entry) == ARCHIVE_OK
    else { return nil }
  }

  deinit { archive_read_free(archive) }

  /// How many bytes of the file were read.
  var taken: Int64 { archive_filter_bytes(archive, -1) }

  /// Fills the buffer as far as there is anything.
  func read(_ buffer: UnsafeMutableRawBufferPointer) throws(EngineError) -> Int {
    let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
    guard count >= 0 else {
      throw EngineError(
        .corrupt, "cannot decompress the archive",
        causes: archive_error_string(archive).map { [String(cString: $0)] } ?? [],
        hint: "the archive is damaged or not complete; get it again")
    }
    return count
  }
}
