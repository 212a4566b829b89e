import CArchive
import EngineErrors
import LinuxSystem
import SystemPackage

/// What is different in an archive from the file that it is taken from.
package struct EntryChanges: Sendable {
  package var owner: (user: UInt32, group: UInt32)?
  /// Not of symbolic links.
  package var permissions: UInt32?
  /// Extended attributes.
  package var keepsAttributes = true
  /// Whether files that are one stay one.
  package var keepsLinks = true

  package init() {}
}

/// Libarchive's header of one file after the other: whose it is, its modes, time and attributes. Used by one thread.
final class FileHeader {
  /// Valid until the next file.
  let entry: OpaquePointer
  /// The content of a regular file that has some and is no other name of one before.
  private var opened: OwnedFile?
  /// Attributes of the last file in which overlayfs keeps what an upper directory alone needs.
  private(set) var marks: [[UInt8]] = []
  /// Taken from the files' ids: the first id of a user namespace that the tree is seen from outside of.
  private let idShift: Int64
  /// For all entries, instead of their own.
  var time: FileTime?
  /// The first name of each file that has several.
  private var links: [FileIdentity: [UInt8]] = [:]

  private final class OwnedFile {
    let owned: OwnedDescriptor
    init(_ owned: consuming OwnedDescriptor) { self.owned = owned }
  }

  init(idShift: Int64 = 0) throws {
    guard let entry = archive_entry_new() else {
      throw EngineError(.internal, "cannot start libarchive: no memory")
    }
    self.entry = entry
    self.idShift = idShift
  }

  deinit { archive_entry_free(entry) }

  /// Open for reading, until the next file; nil for what has no content.
  var content: FileDescriptor? { opened?.owned.descriptor }

  /// Describes a file.
  ///
  /// - Returns: false for a socket and the like, which no archive can have.
  func describe(_ found: UpperEntry, _ changes: EntryChanges = EntryChanges()) throws -> Bool {
    let status = found.status
    clear()
    set(found.path, status)
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
          return true
        }
        links[status.identity] = found.path
      }
      archive_entry_set_size(entry, status.size)
      opened = OwnedFile(try found.parent.openBeneath(found.name, flags: 0))
    case .symbolicLink:
      archive_entry_copy_symlink(entry, (try found.parent.linkTarget(of: found.name) ?? []).cString)
    case .characterDevice, .blockDevice:
      archive_entry_set_rdevmajor(entry, dev_t(status.device.major))
      archive_entry_set_rdevminor(entry, dev_t(status.device.minor))
    case .socket, .unknown: return false
    case .directory, .fifo: break
    }
    if changes.keepsAttributes, status.kind != .symbolicLink { try copyAttributes(found) }
    return true
  }

  /// Describes what is in no tree: a file of so many bytes, or a directory where nil.
  func describe(_ path: [UInt8], size: Int?, permissions: UInt32, owner: (user: UInt32, group: UInt32)) {
    clear()
    archive_entry_copy_pathname(entry, (size == nil ? path + [UInt8(ascii: "/")] : path).cString)
    archive_entry_set_filetype(entry, size == nil ? FileKind.directory.mode : FileKind.regular.mode)
    archive_entry_set_perm(entry, mode_t(permissions))
    archive_entry_set_uid(entry, Int64(owner.user))
    archive_entry_set_gid(entry, Int64(owner.group))
    archive_entry_set_size(entry, Int64(size ?? 0))
    archive_entry_set_mtime(entry, Int(time?.seconds ?? 0), Int(time?.nanoseconds ?? 0))
  }

  private func clear() {
    archive_entry_clear(entry)
    opened = nil
    marks = []
  }

  private func set(_ path: [UInt8], _ status: FileStatus) {
    archive_entry_copy_pathname(
      entry, (status.kind == .directory ? path + [UInt8(ascii: "/")] : path).cString)
    archive_entry_set_filetype(entry, UInt32(status.kind.mode))
    archive_entry_set_perm(entry, mode_t(status.permissions))
    archive_entry_set_uid(entry, max(0, Int64(status.owner) - idShift))
    archive_entry_set_gid(entry, max(0, Int64(status.group) - idShift))
    let time = time ?? status.modified
    archive_entry_set_mtime(entry, Int(time.seconds), Int(time.nanoseconds))
  }

  private func copyAttributes(_ found: UpperEntry) throws {
    // An open file is asked without its path.
    let names = try content?.extendedAttributeNames() ?? found.parent.extendedAttributeNames(of: found.name)
    for name in names {
      let text = String(decoding: name, as: UTF8.self)
      switch FileAttributes(text) {
      case .own: break
      case .mark:
        if !text.hasSuffix(".opaque") { marks.append(name) }
        continue
      case .label: continue
      }
      guard
        let value = try content?.extendedAttribute(name.cString)
          ?? found.parent.extendedAttribute(name.cString, of: found.name)
      else { continue }
      value.withUnsafeBytes { archive_entry_xattr_add_entry(entry, name.cString, $0.baseAddress, $0.count) }
    }
  }
}

/// The bytes of an entry.
protocol EntryContent: AnyObject {
  /// The next block; what lies between two is a hole.
  func nextBlock() throws -> (bytes: UnsafeRawBufferPointer, offset: Int64)?
}

extension ArchiveReader: EntryContent {}

/// What is in a file, read piece by piece. Used by one thread.
final class FileContent: EntryContent {
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
  private var file: FileDescriptor?
  private var ranges: ArraySlice<Range<Int64>> = []

  deinit { buffer.deallocate() }

  /// Begins with a file, which stays the caller's.
  ///
  /// - Returns: where it has data.
  func open(_ file: FileDescriptor, _ status: FileStatus) throws -> [Range<Int64>] {
    let size = status.size
    self.file = file
    // Of most files one block is all.
    let isPlain = size <= 4096 && status.bytesOnDisk >= size
    let found =
      size == 0 ? [] : isPlain ? [0..<size] : try file.dataRanges(size: size, limit: Self.mostRanges)
    ranges = found[...]
    return found
  }

  /// Far fewer than what the reader takes as one header.
  private static let mostRanges = 10_000

  func nextBlock() throws -> (bytes: UnsafeRawBufferPointer, offset: Int64)? {
    guard let file, let range = ranges.first else { return nil }
    let part = UnsafeMutableRawBufferPointer(
      rebasing: buffer.prefix(Int(min(Int64(range.count), Int64(buffer.count)))))
    let count = try file.read(fromAbsoluteOffset: range.lowerBound, into: part)
    let next = range.lowerBound + Int64(count)
    // A file that shrinks while it is read ends where it ends.
    if count == 0 {
      ranges = []
    } else if next < range.upperBound {
      ranges[ranges.startIndex] = next..<range.upperBound
    } else {
      ranges.removeFirst()
    }
    return count == 0 ? nil : (UnsafeRawBufferPointer(rebasing: part[..<count]), range.lowerBound)
  }
}

/// Bytes that are in memory.
final class MemoryContent: EntryContent {
  private var bytes: UnsafeRawBufferPointer?

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  func nextBlock() -> (bytes: UnsafeRawBufferPointer, offset: Int64)? {
    defer { bytes = nil }
    return bytes.map { ($0, 0) }
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
