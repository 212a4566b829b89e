import CArchive
import EngineErrors

/// Writes a tar archive of plain files and directories: owned by nobody in particular, without times, so that the same
/// files always give the same bytes. Used by one thread.
package final class TarWriter {
  private let archive: OpaquePointer
  private let sink: Sink

  private final class Sink {
    let body: (UnsafeRawBufferPointer) throws -> Void
    var error: (any Error)?
    init(_ body: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.body = body }
  }

  /// - Parameter sink: gets the bytes in order.
  package init(_ sink: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
    guard let archive = archive_write_new() else {
      throw EngineError(.internal, "cannot start libarchive: no memory")
    }
    self.archive = archive
    self.sink = Sink(sink)
    archive_write_set_format_pax_restricted(archive)
    archive_write_set_bytes_per_block(archive, 256 << 10)
    archive_write_set_bytes_in_last_block(archive, 1)
    try check(
      archive_write_open(
        archive, Unmanaged.passUnretained(self.sink).toOpaque(), nil,
        { _, client, buffer, count in
          guard let client else { return -1 }
          let sink = Unmanaged<Sink>.fromOpaque(client).takeUnretainedValue()
          do {
            try sink.body(UnsafeRawBufferPointer(start: buffer, count: count))
            return count
          } catch {
            sink.error = error
            return -1
          }
        }, nil))
  }

  deinit { archive_write_free(archive) }

  package func directory(_ path: String) throws {
    try header(path + "/", type: 0o040000, mode: 0o755, size: 0)
  }

  /// - Parameter content: called once, with what takes the file's bytes; `size` of them come.
  package func file(
    _ path: String, size: Int64, _ content: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    try header(path, type: 0o100000, mode: 0o644, size: size)
    var written: Int64 = 0
    try content { bytes in
      written += Int64(bytes.count)
      guard written <= size else { throw EngineError(.corrupt, "\(path) has more than its \(size) bytes") }
      let result = archive_write_data(archive, bytes.baseAddress, bytes.count)
      try check(result < 0 ? CInt(truncatingIfNeeded: result) : ARCHIVE_OK)
    }
    guard written == size else { throw EngineError(.corrupt, "\(path) has less than its \(size) bytes") }
  }

  /// Writes the end of the archive; nothing may follow.
  package func finish() throws { try check(archive_write_close(archive)) }

  private func header(_ path: String, type: UInt32, mode: UInt32, size: Int64) throws {
    guard let entry = archive_entry_new() else {
      throw EngineError(.internal, "cannot start libarchive: no memory")
    }
    defer { archive_entry_free(entry) }
    archive_entry_copy_pathname(entry, path)
    archive_entry_set_filetype(entry, type)
    archive_entry_set_perm(entry, mode_t(mode))
    archive_entry_set_size(entry, size)
    archive_entry_set_mtime(entry, 0, 0)
    try check(archive_write_header(archive, entry))
  }

  private func check(_ result: CInt) throws {
    if let error = sink.error { throw error }
    guard result < ARCHIVE_WARN else { return }
    throw EngineError(
      .internal, "cannot write the archive",
      causes: [archive_error_string(archive).map { String(cString: $0) } ?? "libarchive's error \(result)"])
  }
}
