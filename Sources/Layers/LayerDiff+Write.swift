import CArchive
import EngineErrors
package import LinuxSystem
package import SystemPackage

extension LayerDiff {
  /// Writes an upper directory as a layer's archive: sorted, with PAX headers, without anything that would differ
  /// from one run to the next. What was deleted is there as OCI's whiteouts.
  ///
  /// - Parameters:
  ///   - time: for all entries, instead of their own.
  ///   - warn: gets a sentence for each entry that an archive cannot have.
  ///   - sink: gets the bytes in order.
  /// - Throws: what reading the tree or the sink fails with.
  package static func write(
    upper: FilePath, lowers: [FilePath], overlayXattrs: OverlayXattrs, mountPoints: Set<String> = [],
    time: FileTime? = nil, warn: (String) -> Void = { _ in }, sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let below = try LowerLayers(lowers)
    try withoutActuallyEscaping(sink) { sink in
      let writer = try ArchiveWriter(sink, overlayXattrs)
      writer.time = time
      try UpperWalk(upper, below, mountPoints).visit(
        { try writer.write($0) }, leaveOut: { path, _, _ in writer.leaveOutRest(of: path) })
      writer.leftOut.forEach(warn)
      try writer.finish()
    }
  }
}

/// Writes a tar archive through libarchive. Used by one thread.
final class ArchiveWriter {
  private let archive: OpaquePointer
  private let sink: Sink
  private let xattrs: OverlayXattrs
  /// What an archive cannot have, a sentence each; at most a hundred.
  private(set) var leftOut: [String] = []
  /// Of the files written by `writeEntry`, in bytes.
  private(set) var contentSize: Int64 = 0 {
    didSet { contentProgress?(contentSize) }
  }
  /// Is told of it as it grows.
  var contentProgress: ((Int64) -> Void)?
  private let header: FileHeader
  private let content = FileContent()

  private final class Sink {
    let body: (UnsafeRawBufferPointer) throws -> Void
    var error: (any Error)?
    init(_ body: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.body = body }
  }

  init(
    _ body: @escaping (UnsafeRawBufferPointer) throws -> Void, _ xattrs: OverlayXattrs, idShift: Int64 = 0
  ) throws {
    self.xattrs = xattrs
    header = try FileHeader(idShift: idShift)
    guard let archive = archive_write_new() else {
      throw EngineError(.internal, "cannot start libarchive: no memory")
    }
    self.archive = archive
    sink = Sink(body)
    // The restricted form has nanoseconds only in entries that need attributes for something else.
    archive_write_set_format_pax(archive)
    // One form of each attribute, the one that all others read; libarchive's own says the same again.
    try check(archive_write_set_options(archive, "xattrheader=SCHILY"))
    archive_write_set_bytes_per_block(archive, 256 << 10)
    archive_write_set_bytes_in_last_block(archive, 1)
    try check(
      archive_write_open(
        archive, Unmanaged.passUnretained(sink).toOpaque(), nil,
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

  /// For all entries, instead of their own.
  var time: FileTime? {
    get { header.time }
    set { header.time = newValue }
  }

  /// Attributes of the last entry in which overlayfs keeps what an upper directory alone needs.
  var marks: [[UInt8]] { header.marks }

  func finish() throws { try check(archive_write_close(archive)) }

  /// Notes that a directory has entries whose way from the root is too long for an archive.
  func leaveOutRest(of directory: [UInt8]) {
    guard leftOut.count < 100 else { return }
    leftOut.append(
      "left out what is in \(EntryPath.text(directory)): its names are longer than \(EntryPath.longestPath) bytes"
    )
  }

  /// - Returns: false for what an archive cannot have.
  @discardableResult
  func write(_ found: UpperEntry) throws -> Bool {
    let status = found.status
    if status.isWhiteout {
      try writeWhiteout(found.path)
      return true
    }
    guard try writeEntry(found) else { return false }
    if status.kind == .directory,
      try found.parent.extendedAttribute(xattrs.opaque, of: found.name) == [UInt8(ascii: "y")]
    {
      try writeMark(found.path + [UInt8(ascii: "/")] + Whiteout.opaque)
    }
    return true
  }

  /// Writes an entry as it is, without what overlayfs means by it.
  ///
  /// - Returns: false for what an archive cannot have.
  @discardableResult
  func writeEntry(_ found: UpperEntry) throws -> Bool {
    guard try header.describe(found) else {
      if leftOut.count < 100 {
        leftOut.append("left out \(EntryPath.text(found.path)): it is a socket or of an unknown kind")
      }
      return false
    }
    if let file = header.content, found.status.size > 0 {
      try writeFile(file, found.status)
    } else {
      try check(archive_write_header(archive, header.entry))
    }
    return true
  }

  private func writeWhiteout(_ path: [UInt8]) throws {
    let slash = path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
    try writeMark(Array(path[..<slash]) + Whiteout.prefix + path[slash...])
  }

  private func writeMark(_ path: [UInt8]) throws {
    guard let entry = archive_entry_new() else {
      throw EngineError(.internal, "cannot start libarchive: no memory")
    }
    defer { archive_entry_free(entry) }
    archive_entry_copy_pathname(entry, path.cString)
    archive_entry_set_filetype(entry, 0o100000)
    archive_entry_set_perm(entry, 0o644)
    archive_entry_set_size(entry, 0)
    archive_entry_set_mtime(entry, 0, 0)
    try check(archive_write_header(archive, entry))
  }

  /// With the map of its holes, where it has some: a sparse file may say that it is larger than any disk.
  private func writeFile(_ file: FileDescriptor, _ status: FileStatus) throws {
    let size = status.size
    let ranges = try content.open(file, status)
    if ranges != [0..<size] {
      // No data at all is a map of one empty range, at the end.
      for range in ranges.isEmpty ? [size..<size] : ranges {
        archive_entry_sparse_add_entry(header.entry, range.lowerBound, Int64(range.count))
      }
    }
    try check(archive_write_header(archive, header.entry))
    let before = contentSize
    var position: Int64 = 0
    while let (bytes, offset) = try content.nextBlock() {
      try writeHole(from: &position, to: offset)
      try write(bytes)
      position += Int64(bytes.count)
      contentSize = before.addingSaturated(position)
    }
    contentSize = before.addingSaturated(size)
    // A file that shrinks while it is read is filled up with zeroes by libarchive.
    if position == ranges.last?.upperBound ?? 0 { try writeHole(from: &position, to: size) }
  }

  /// Libarchive wants the bytes of holes too, and passes them over.
  private func writeHole(from position: inout Int64, to end: Int64) throws {
    while position < end {
      let count = Int(min(end - position, Int64(Self.zeroes.count)))
      try Self.zeroes.withUnsafeBytes { try write(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      position += Int64(count)
    }
  }

  private static let zeroes = [UInt8](repeating: 0, count: 1 << 20)

  private func write(_ bytes: UnsafeRawBufferPointer) throws {
    let written = archive_write_data(archive, bytes.baseAddress, bytes.count)
    guard written < 0 else { return }
    try check(CInt(clamping: written))
    throw EngineError(.internal, "cannot write the archive")
  }

  private func check(_ result: CInt) throws {
    if let error = sink.error { throw error }
    guard result < ARCHIVE_WARN else { return }
    throw EngineError(
      .internal, "cannot write the archive",
      causes: [archive_error_string(archive).map { String(cString: $0) } ?? "libarchive's error \(result)"])
  }
}
