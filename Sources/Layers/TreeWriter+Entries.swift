import EngineErrors
import LinuxSystem
import SystemPackage

/// What becomes of an entry, by its kind.
extension TreeWriter {
  func writeRoot(_ entry: ArchiveEntry, _ owner: Owner, _ name: [UInt8]) throws {
    guard entry.kind == .directory else {
      throw EngineError.refused(
        "the archive's root directory is no directory", subject: EntryPath.text(name))
    }
    let here = [CChar(UInt8(ascii: ".")), 0]
    try settleDirectory(here, [], entry, owner, in: root)
  }

  func writeDirectory(
    _ base: [CChar], _ entry: ArchiveEntry, _ owner: Owner, in parent: FileDescriptor, _ name: [UInt8]
  ) throws {
    let permissions = self.permissions(entry) & 0o777
    do {
      try parent.makeDirectory(base, permissions: permissions)
    } catch {
      guard error.errno == .fileExists, let present = try parent.status(of: base) else { throw error }
      // What is there stays as it is; a link to a directory will be followed.
      if options.copy != nil {
        if present.kind == .directory || present.kind == .symbolicLink { return }
        let text = "/" + EntryPath.text(placed(base.dropLast().map { UInt8(bitPattern: $0) }))
        throw EngineError(
          .conflict, "cannot copy a directory over \(text), which is a file", subject: text,
          hint: "remove it first, or copy to another name")
      }
      if present.kind != .directory {
        try remove(base, in: parent)
        try parent.makeDirectory(base, permissions: permissions)
        if present.isWhiteout { try markOpaque(base, in: parent) }
      }
    }
    let path = placed(base.dropLast().map { UInt8(bitPattern: $0) })
    try settleDirectory(base, path, entry, owner, in: parent)
    implied.remove(path)
  }

  func writeFile(
    _ base: [CChar], _ entry: ArchiveEntry, _ owner: Owner, in parent: FileDescriptor,
    _ content: any EntryContent
  ) throws {
    let descriptor = try replacing(base, in: parent) { () throws(SystemError) in
      try parent.createFile(base, permissions: permissions(entry) & 0o777).release()
    }
    defer { try? descriptor.close() }
    var end: Int64 = 0
    var isPlain = true
    while let (bytes, offset) = try content.nextBlock() {
      if bytes.isEmpty { continue }
      let (next, isTooFar) = offset.addingReportingOverflow(Int64(bytes.count))
      guard offset >= end, !isTooFar else {
        throw EngineError(.corrupt, "the archive's map of holes is not in order")
      }
      if offset == end {
        try descriptor.writeFully(bytes)
      } else {
        isPlain = false
        try descriptor.writeFully(bytes, at: offset)
        try descriptor.seek(offset: next, from: .start)
      }
      end = next
    }
    if entry.size > end {
      isPlain = false
      try descriptor.setLength(entry.size)
    }
    if owner.user != ownUser || owner.group != ownGroup || options.copy != nil {
      try descriptor.setOwner(owner.user, group: owner.group)
      if permissions(entry) & 0o7000 == 0 { try descriptor.setPermissions(permissions(entry)) }
    }
    if permissions(entry) & 0o7000 != 0 { try descriptor.setPermissions(permissions(entry)) }
    try entry.forEachExtendedAttribute { name, value in
      isPlain = false
      try setAttribute(name, value) {
        try descriptor.setExtendedAttribute(name, value)
      }
    }
    try descriptor.setTimes(entry.time)
    // Of most files the size says it, without another call. What the sizes of larger blocks mean is the file system's own.
    let size =
      isPlain && blockSize <= 4096
      ? (end + blockSize - 1) / blockSize * blockSize : try descriptor.status().bytesOnDisk
    bytesOnDisk? += size
  }

  func writeLink(_ base: [CChar], _ entry: ArchiveEntry, in parent: FileDescriptor, _ name: [UInt8])
    throws
  {
    guard let target = entry.hardLink else { return }
    let path = try place(target)
    guard let last = path.components.last else {
      throw EngineError.refused("the archive links \(EntryPath.text(name)) to its root directory")
    }
    let (from, to) = (placed(base.dropLast().map { UInt8(bitPattern: $0) }), path.joined)
    // GNU tar writes such a link for a file that it was told to archive twice.
    if from == to { return }
    guard let directory = try? targets.walk(path.parent),
      let present = try directory.status(of: last.cString),
      !present.isWhiteout
    else {
      if try parent.status(of: base) != nil { try remove(base, in: parent) }
      try keep(from, to)
      links[from] = links[to] ?? to
      return
    }
    guard present.kind != .directory else {
      throw EngineError.refused(
        "the archive links \(EntryPath.text(name)) to a directory", subject: EntryPath.text(name))
    }
    if try parent.status(of: base) != nil { try remove(base, in: parent) }
    // What was removed may have been on the way.
    try parent.makeHardLink(base, to: last.cString, in: targets.walk(path.parent))
  }

  func writeDevice(
    _ base: [CChar], _ entry: ArchiveEntry, _ owner: Owner, in parent: FileDescriptor, _ name: [UInt8]
  ) throws {
    guard options.copy?.makesDevices ?? true else {
      return warn("left out the device \(EntryPath.text(name))")
    }
    let device = DeviceNumber(major: entry.device.major, minor: entry.device.minor)
    guard entry.device != (0, 0) else {
      // It would hide what is below, as overlayfs reads it.
      return warn("left out \(EntryPath.text(name)): a device 0:0 is no device")
    }
    if try parent.status(of: base) != nil { try remove(base, in: parent) }
    do {
      try parent.makeNode(
        base, entry.kind == .blockDevice ? .blockDevice : .characterDevice, permissions: permissions(entry),
        device: device)
    } catch {
      // Not allowed in a user namespace; a container's /dev is made by the runner.
      guard error.errno == .notPermitted else { throw error }
      return warn("left out the device \(EntryPath.text(name)): an ordinary user cannot make one")
    }
    try settle(base, entry, owner, in: parent)
    try parent.setPermissions(of: base, permissions(entry))
  }

  func writeWhiteout(_ last: ArraySlice<UInt8>, in parent: FileDescriptor, _ name: [UInt8]) throws {
    let hidden = last.dropFirst(Whiteout.prefix.count)
    if last.elementsEqual(Whiteout.opaque) {
      return try markOpaque([CChar(UInt8(ascii: ".")), 0], in: parent)
    }
    // Marks of another union file system.
    if hidden.starts(with: Whiteout.prefix) { return }
    guard !hidden.isEmpty, !hidden.elementsEqual(".".utf8), !hidden.elementsEqual("..".utf8) else {
      throw EngineError.refused("the archive has a whiteout of no file: \(EntryPath.text(name))")
    }
    guard let present = try parent.status(of: hidden.cString) else {
      return try parent.makeNode(hidden.cString, .characterDevice, permissions: 0)
    }
    // What this layer itself has of that name stays; if it is a directory, nothing from below shows in it.
    if present.kind == .directory { try markOpaque(hidden.cString, in: parent) }
  }

  func markOpaque(_ base: [CChar], in parent: FileDescriptor) throws {
    try [UInt8(ascii: "y")].withUnsafeBytes {
      try parent.setExtendedAttribute(options.overlayXattrs.opaque, $0, of: base)
    }
  }
}

extension FileStatus {
  /// As overlayfs marks what is gone.
  var isWhiteout: Bool { kind == .characterDevice && device == DeviceNumber(major: 0, minor: 0) }
}

/// The names by which an archive says what is gone (OCI image specification, "Whiteouts").
enum Whiteout {
  static let prefix = Array(".wh.".utf8)
  static let opaque = Array(".wh..wh..opq".utf8)

  static func isOne(_ name: ArraySlice<UInt8>) -> Bool {
    name.first == UInt8(ascii: ".") && name.starts(with: prefix)
  }
}
