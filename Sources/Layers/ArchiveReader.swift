import CArchive
import EngineErrors
import Glibc

/// All of an entry's header: its PAX attributes, long names and map of holes, which libarchive reads before it hands
/// out anything. Bounded here, so that what it keeps of them is bounded in whatever version.
private let longestHeader = 2 << 20

/// Reads a tar archive through libarchive, its bytes coming from a pipe. Used by one thread.
final class ArchiveReader {
  private let archive: OpaquePointer
  private let source: Source
  private var hasEntry = false

  /// What libarchive's callbacks see.
  private final class Source {
    let pipe: BytePipe
    var current: BytePipe.Piece?
    var error: EngineError?
    /// What the header that is being read may still take; nil outside of one.
    var headerBudget: Int?
    init(_ pipe: BytePipe) { self.pipe = pipe }

    func next() -> UnsafeRawBufferPointer? {
      if let current { pipe.recycle(current) }
      current = nil
      do throws(EngineError) {
        current = try pipe.receive()
        if let budget = headerBudget, let current {
          guard budget >= 0 else {
            throw .refused(
              "cannot read the archive: the header of an entry is longer than \(longestHeader >> 20) MiB")
          }
          headerBudget = budget - current.count
        }
        return current?.bytes
      } catch {
        self.error = error
        return nil
      }
    }
  }

  init(_ pipe: BytePipe) throws(EngineError) {
    guard let archive = archive_read_new() else {
      throw EngineError(.internal, "cannot start libarchive: no memory")
    }
    self.archive = archive
    source = Source(pipe)
    archive_read_support_format_tar(archive)
    let result = archive_read_open(
      archive, Unmanaged.passUnretained(source).toOpaque(), nil,
      { _, client, buffer in
        guard let client else { return -1 }
        let source = Unmanaged<Source>.fromOpaque(client).takeUnretainedValue()
        guard let bytes = source.next() else {
          buffer?.pointee = nil
          return source.error == nil ? 0 : -1
        }
        buffer?.pointee = bytes.baseAddress
        return bytes.count
      }, nil)
    try check(result)
  }

  deinit { archive_read_free(archive) }

  /// The next entry; nil at the end of the archive.
  func next() throws(EngineError) -> ArchiveEntry? {
    // What is left of the entry before, which is no header and may be long.
    if hasEntry { try check(archive_read_data_skip(archive)) }
    hasEntry = true
    source.headerBudget = longestHeader
    defer { source.headerBudget = nil }
    var entry: OpaquePointer?
    let result = archive_read_next_header(archive, &entry)
    if result == ARCHIVE_EOF { return nil }
    try check(result)
    guard let entry else { return nil }
    return ArchiveEntry(entry)
  }

  /// A block of the current entry's data; what lies between two blocks is a hole.
  func nextBlock() throws(EngineError) -> (bytes: UnsafeRawBufferPointer, offset: Int64)? {
    var start: UnsafeRawPointer?
    var count = 0
    var offset: Int64 = 0
    let result = archive_read_data_block(archive, &start, &count, &offset)
    if result == ARCHIVE_EOF { return nil }
    try check(result)
    return (UnsafeRawBufferPointer(start: start, count: count), offset)
  }

  /// Takes what follows the archive's end, so that all bytes are hashed.
  func drain() throws(EngineError) {
    while source.next() != nil {}
    if let error = source.error { throw error }
  }

  private func check(_ result: CInt) throws(EngineError) {
    if let error = source.error { throw error }
    guard result < ARCHIVE_WARN else { return }
    throw EngineError(
      .corrupt, "cannot read the archive",
      causes: [archive_error_string(archive).map { String(cString: $0) } ?? "libarchive's error \(result)"],
      hint: "the archive is damaged or not complete; get it again")
  }
}

/// The header of an entry; valid until the next one is read.
struct ArchiveEntry {
  private let entry: OpaquePointer

  init(_ entry: OpaquePointer) { self.entry = entry }

  enum Kind {
    case file, directory, symbolicLink, hardLink, characterDevice, blockDevice, fifo, socket, unknown
  }

  var kind: Kind {
    if hardLink != nil { return .hardLink }
    switch UInt32(archive_entry_filetype(entry)) {
    case 0o100000: return .file
    case 0o040000: return .directory
    case 0o120000: return .symbolicLink
    case 0o020000: return .characterDevice
    case 0o060000: return .blockDevice
    case 0o010000: return .fifo
    case 0o140000: return .socket
    default: return .unknown
    }
  }

  // A name that does not fit the locale is there as UTF-8 only.
  var path: [UInt8]? { bytes(archive_entry_pathname(entry) ?? archive_entry_pathname_utf8(entry)) }
  var hardLink: [UInt8]? { bytes(archive_entry_hardlink(entry) ?? archive_entry_hardlink_utf8(entry)) }
  var symbolicLink: [UInt8]? { bytes(archive_entry_symlink(entry) ?? archive_entry_symlink_utf8(entry)) }
  var permissions: UInt32 { UInt32(archive_entry_perm(entry)) & 0o7777 }
  var owner: Int64 { archive_entry_uid(entry) }
  var group: Int64 { archive_entry_gid(entry) }
  var size: Int64 { archive_entry_size(entry) }
  var modified: (seconds: Int64, nanoseconds: Int64) {
    (Int64(archive_entry_mtime(entry)), Int64(archive_entry_mtime_nsec(entry)))
  }
  var device: (major: UInt32, minor: UInt32) {
    (
      UInt32(truncatingIfNeeded: archive_entry_rdevmajor(entry)),
      UInt32(truncatingIfNeeded: archive_entry_rdevminor(entry))
    )
  }

  func forEachExtendedAttribute(_ body: (UnsafePointer<CChar>, UnsafeRawBufferPointer) throws -> Void)
    rethrows
  {
    guard archive_entry_xattr_reset(entry) > 0 else { return }
    var name: UnsafePointer<CChar>?
    var value: UnsafeRawPointer?
    var size = 0
    while archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK {
      if let name { try body(name, UnsafeRawBufferPointer(start: value, count: size)) }
    }
  }

  private func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8]? {
    text.map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
  }
}
