import CLinux
import Glibc
package import SystemPackage

extension FileDescriptor {
  /// Calls `body` with each entry of the open directory except `.` and `..`, in the kernel's order,
  /// from the first one on whatever was read before; `isNew` says that nothing was, and saves a call.
  ///
  /// The name is valid during the call only. Entries that come or go meanwhile may be seen or not
  /// (getdents64(2)).
  ///
  /// - Throws: `SystemError`, or what `body` throws.
  package func forEachEntry(
    isNew: Bool = false,
    _ body: (_ name: UnsafePointer<CChar>, _ kind: FileKind) throws -> Void
  ) throws {
    let records = UnsafeMutableRawBufferPointer.allocate(byteCount: 32768, alignment: 8)
    defer { records.deallocate() }
    if !isNew { try call("lseek") { Glibc.lseek(rawValue, 0, SEEK_SET) } }
    while true {
      let filled = try call("getdents64") { clinux_getdents(rawValue, records.baseAddress, records.count) }
      if filled == 0 { return }
      var offset = 0
      while offset < filled {
        let record = UnsafeRawPointer(records.baseAddress.unsafelyUnwrapped + offset)
        offset += Int(record.load(fromByteOffset: 16, as: UInt16.self))
        guard let name = clinux_dirent_name(record), !isSelfOrParent(name) else { continue }
        try body(name, FileKind(recordType: record.load(fromByteOffset: 18, as: UInt8.self)))
      }
    }
  }

  /// All entries except `.` and `..`, sorted by the bytes of their names.
  package func sortedEntries() throws -> [DirectoryEntry] {
    var entries: [DirectoryEntry] = []
    try forEachEntry { name, kind in entries.append(DirectoryEntry(name: name, kind: kind)) }
    entries.sort()
    return entries
  }
}

private func isSelfOrParent(_ name: UnsafePointer<CChar>) -> Bool {
  let dot = CChar(UInt8(ascii: "."))
  return name[0] == dot && (name[1] == 0 || (name[1] == dot && name[2] == 0))
}

/// An entry of a directory, with its name as C's calls take it.
package struct DirectoryEntry: Sendable, Comparable {
  /// The bytes of the name and a NUL.
  package let cName: [CChar]
  package let kind: FileKind

  init(name: UnsafePointer<CChar>, kind: FileKind) {
    var length = 0
    while name[length] != 0 { length += 1 }
    cName = Array(UnsafeBufferPointer(start: name, count: length + 1))
    self.kind = kind
  }

  /// The bytes of the name.
  package var name: [UInt8] { cName.dropLast().map { UInt8(bitPattern: $0) } }

  package static func < (left: DirectoryEntry, right: DirectoryEntry) -> Bool {
    left.cName.lexicographicallyPrecedes(right.cName) { UInt8(bitPattern: $0) < UInt8(bitPattern: $1) }
  }
}
