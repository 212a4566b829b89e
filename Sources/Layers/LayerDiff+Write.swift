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
      try UpperWalk(upper, below, mountPoints).visit(writer.write, leaveOut: writer.leaveOutRest)
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
  /// Taken from the files' ids: the first id of a user namespace that the tree is seen from outside of.
  private let idShift: Int64
  /// For all entries, instead of their own.
  var time: FileTime?
  /// The first name of each file that has several.
  private var links: [FileIdentity: [UInt8]] = [:]

  private final class Sink {
    let body: (UnsafeRawBufferPointer) throws -> Void
    var error: (any Error)?
    init(_ body: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.body = body }
  }

  init(
    _ body: @escaping (UnsafeRawBufferPointer) throws -> Void, _ xattrs: OverlayXattrs, idShift: Int64 = 0
  ) throws {
    self.xattrs = xattrs
    self.idShift = idShift
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

  func finish() throws { try check(archive_write_close(archive)) }

  /// Notes that a directory has entries whose way from the root is too long for an archive.
  func leaveOutRest(of directory: [UInt8]) {
    guard leftOut.count < 100 else { return }
    leftOut.append(
      "left out what is in \(EntryPath.text(directory)): its names are longer than \(EntryPath.longestPath) bytes"
    )
  }

  func write(_ found: UpperEntry) throws {
    let status = found.status
    if status.isWhiteout { return try writeWhiteout(found.path) }
    try writeEntry(found)
    if status.kind == .directory,
      try found.parent.extendedAttribute(xattrs.opaque, of: found.name) == [UInt8(ascii: "y")]
    {
      try writeMark(found.path + [UInt8(ascii: "/")] + Whiteout.opaque)
    }
  }

  /// Writes an entry as it is, without what overlayfs means by it.
  func writeEntry(_ found: UpperEntry, _ changes: EntryChanges = EntryChanges()) throws {
    let status = found.status
    guard let entry = archive_entry_new() else {
      throw EngineError(.internal, "cannot start libarchive: no memory")
    }
    defer { archive_entry_free(entry) }
    set(entry, found.path, status)
    if let owner = changes.owner {
      archive_entry_set_uid(entry, Int64(owner.user))
      archive_entry_set_gid(entry, Int64(owner.group))
    }
    if let permissions = changes.permissions, status.kind != .symbolicLink {
      archive_entry_set_perm(entry, mode_t(permissions))
    }
    switch status.kind {
    case .regular:
      if status.linkCount > 1, changes.keepsLinks {
        if let first = links[status.identity] {
          archive_entry_set_size(entry, 0)
          archive_entry_copy_hardlink(entry, first.cString)
          return try check(archive_write_header(archive, entry))
        }
        links[status.identity] = found.path
      }
      archive_entry_set_size(entry, status.size)
    case .symbolicLink:
      archive_entry_copy_symlink(entry, (try found.parent.linkTarget(of: found.name) ?? []).cString)
    case .characterDevice, .blockDevice:
      archive_entry_set_rdevmajor(entry, dev_t(status.device.major))
      archive_entry_set_rdevminor(entry, dev_t(status.device.minor))
    case .socket, .unknown:
      if leftOut.count < 100 {
        leftOut.append("left out \(EntryPath.text(found.path)): it is a socket or of an unknown kind")
      }
      return
    case .directory, .fifo: break
    }
    if changes.keepsAttributes { try copyAttributes(found, to: entry) }
    if status.kind == .regular {
      try writeFile(found, entry)
    } else {
      try check(archive_write_header(archive, entry))
    }
  }

  private func set(_ entry: OpaquePointer, _ path: [UInt8], _ status: FileStatus) {
    archive_entry_copy_pathname(
      entry, (status.kind == .directory ? path + [UInt8(ascii: "/")] : path).cString)
    archive_entry_set_filetype(entry, UInt32(status.kind.mode))
    archive_entry_set_perm(entry, mode_t(status.permissions))
    archive_entry_set_uid(entry, max(0, Int64(status.owner) - idShift))
    archive_entry_set_gid(entry, max(0, Int64(status.group) - idShift))
    let time = time ?? status.modified
    archive_entry_set_mtime(entry, Int(time.seconds), Int(time.nanoseconds))
  }

  /// Writes an entry that is in no tree: a file of these bytes, or a directory where nil.
  func write(
    _ path: [UInt8], _ content: [UInt8]?, permissions: UInt32, owner: (user: UInt32, group: UInt32)
  ) throws {
    guard let entry = archive_entry_new() else {
      throw EngineError(.internal, "cannot start libarchive: no memory")
    }
    defer { archive_entry_free(entry) }
    archive_entry_copy_pathname(entry, (content == nil ? path + [UInt8(ascii: "/")] : path).cString)
    archive_entry_set_filetype(entry, content == nil ? FileKind.directory.mode : FileKind.regular.mode)
    archive_entry_set_perm(entry, mode_t(permissions))
    archive_entry_set_uid(entry, Int64(owner.user))
    archive_entry_set_gid(entry, Int64(owner.group))
    archive_entry_set_size(entry, Int64(content?.count ?? 0))
    archive_entry_set_mtime(entry, Int(time?.seconds ?? 0), Int(time?.nanoseconds ?? 0))
    try check(archive_write_header(archive, entry))
    guard let content, !content.isEmpty else { return }
    try content.withUnsafeBytes { bytes in
      let written = archive_write_data(archive, bytes.baseAddress, bytes.count)
      if written < 0 { try check(CInt(clamping: written)) }
    }
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

  private func copyAttributes(_ found: UpperEntry, to entry: OpaquePointer) throws {
    guard found.status.kind != .symbolicLink else { return }
    for name in try found.parent.extendedAttributeNames(of: found.name) {
      let text = String(decoding: name, as: UTF8.self)
      // Marks of overlayfs are told by whiteouts; labels of the host's security module are not the image's.
      if text.hasPrefix("trusted.overlay.") || text.hasPrefix("user.overlay.") || text == "security.selinux" {
        continue
      }
      guard let value = try found.parent.extendedAttribute(name.cString, of: found.name) else { continue }
      value.withUnsafeBytes { archive_entry_xattr_add_entry(entry, name.cString, $0.baseAddress, $0.count) }
    }
  }

  /// With the map of its holes, where it has some: a sparse file may say that it is larger than any disk.
  private func writeFile(_ found: UpperEntry, _ entry: OpaquePointer) throws {
    let size = found.status.size
    guard size > 0 else { return try check(archive_write_header(archive, entry)) }
    let file = try found.parent.openBeneath(found.name, flags: 0)
    let ranges = try file.descriptor.dataRanges(size: size, limit: Self.mostRanges)
    if ranges != [0..<size] {
      // No data at all is a map of one empty range, at the end.
      for range in ranges.isEmpty ? [size..<size] : ranges {
        archive_entry_sparse_add_entry(entry, range.lowerBound, Int64(range.count))
      }
    }
    try check(archive_write_header(archive, entry))
    try copyData(file.descriptor, ranges, size)
  }

  /// Far fewer than what the reader takes as one header.
  private static let mostRanges = 10_000

  private func copyData(_ file: FileDescriptor, _ ranges: [Range<Int64>], _ size: Int64) throws {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    defer { buffer.deallocate() }
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
    var position: Int64 = 0
    for range in ranges + [size..<size] {
      // Libarchive wants the bytes of holes too, and passes them over.
      while position < range.lowerBound {
        position += try write(buffer.prefix(Int(min(range.lowerBound - position, Int64(buffer.count)))))
      }
      while position < range.upperBound {
        let part = buffer.prefix(Int(min(range.upperBound - position, Int64(buffer.count))))
        let count = try file.read(
          fromAbsoluteOffset: position, into: UnsafeMutableRawBufferPointer(rebasing: part))
        // A file that shrinks while it is read is filled up with zeroes by libarchive.
        if count == 0 { return }
        position += try write(part.prefix(count))
      }
    }
  }

  private func write(_ bytes: Slice<UnsafeMutableRawBufferPointer>) throws -> Int64 {
    let bytes = UnsafeRawBufferPointer(rebasing: bytes)
    let written = archive_write_data(archive, bytes.baseAddress, bytes.count)
    guard written < 0 else { return Int64(bytes.count) }
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

extension FileKind {
  /// The type bits of `st_mode`.
  var mode: UInt32 {
    switch self {
    case .regular, .unknown: 0o100000
    case .directory: 0o040000
    case .symbolicLink: 0o120000
    case .characterDevice: 0o020000
    case .blockDevice: 0o060000
    case .fifo: 0o010000
    case .socket: 0o140000
    }
  }
}
