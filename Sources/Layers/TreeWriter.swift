import EngineErrors
import LinuxSystem
import SystemPackage

/// Makes the tree of a layer from the entries of its archive, and never anything outside of it (invariant 8): each
/// directory is opened beneath the one above it, following no symbolic link.
///
/// Used by one thread, whose umask is 0.
final class TreeWriter {
  private let root: FileDescriptor
  let options: UnpackOptions
  /// Where entries are made, and where hard links lead to.
  private let parents: DirectoryPlace
  private let targets: DirectoryPlace
  private let ownUser: UInt32
  private let ownGroup: UInt32
  /// What directories get at the end: what is made in them before changes their times, and would take after the rest.
  private var unfinished: [[UInt8]: DirectoryRest] = [:]
  /// Directories that so far have no entry of their own.
  private var implied: Set<[UInt8]> = []
  /// Hard links to what is not in the layer, and where they lead.
  private var links: [[UInt8]: [UInt8]] = [:]
  /// Where a copy goes, without links on the way; once it is known.
  private var placeOfCopy: [UInt8]?
  private(set) var warnings: [String] = []
  private var made = 0
  private var bytesOfNames = 0
  /// What the entries take up on the disk; nil where some are gone again. It is counted as they are made: to ask for each of
  /// them again costs a tenth of what making it does.
  private(set) var bytesOnDisk: Int64? = 0
  private let blockSize: Int64

  /// - Parameter root: the writer's from now on.
  init(_ root: FileDescriptor, _ options: UnpackOptions) throws {
    self.root = root
    self.options = options
    parents = DirectoryPlace(root)
    targets = DirectoryPlace(root)
    (ownUser, ownGroup) = effectiveIDs()
    // What the root directory is where no entry says otherwise.
    blockSize = max(512, try root.status().blockSize)
    if options.copy == nil { try root.disinherit(permissions: 0o755) }
  }

  deinit { try? root.close() }

  /// What the layer needs of those below it; after the last entry.
  var dependencies: ParentDependencies {
    func isLess(_ one: [UInt8], _ other: [UInt8]) -> Bool { one.lexicographicallyPrecedes(other) }
    return ParentDependencies(
      impliedDirectories: implied.sorted(by: isLess),
      links: links.sorted { isLess($0.key, $1.key) }.map { (path: $0.key, target: $0.value) })
  }

  func write(_ entry: ArchiveEntry, _ reader: ArchiveReader) throws {
    try count()
    guard let name = entry.path else {
      throw EngineError(
        .corrupt, "the archive has an entry without a name", hint: "the image is broken or hostile")
    }
    let path = try place(name)
    let owner = try owner(of: entry, name)
    if path.isRoot { return try options.copy?.setsRoot ?? true ? writeRoot(entry, owner, name) : () }
    guard let last = path.components.last else { return }
    // Other union file systems keep their own things in such places.
    let hasWhiteouts = options.copy == nil
    if hasWhiteouts, path.parent.contains(where: { $0.starts(with: Whiteout.prefix) }) {
      return warn("left out \(EntryPath.text(name)): it lies in a whiteout")
    }
    let parent = try enter(path.parent, name)
    if hasWhiteouts, last.starts(with: Whiteout.prefix) { return try writeWhiteout(last, in: parent, name) }
    let base = last.cString
    if !links.isEmpty { links[placed(last)] = nil }
    switch entry.kind {
    case .directory: try writeDirectory(base, entry, owner, in: parent, name)
    case .file: try writeFile(base, entry, owner, in: parent, reader)
    case .symbolicLink:
      let target = (entry.symbolicLink ?? []).cString
      try replacing(base, in: parent) { try parent.makeSymbolicLink(base, to: target) }
      try settle(base, entry, owner, in: parent)
    case .hardLink: try writeLink(base, entry, in: parent, name)
    case .fifo:
      try replacing(base, in: parent) {
        try parent.makeNode(base, .fifo, permissions: entry.permissions)
      }
      try settle(base, entry, owner, in: parent)
    case .characterDevice, .blockDevice: try writeDevice(base, entry, owner, in: parent, name)
    case .socket, .unknown: warn("left out \(EntryPath.text(name)): it is a socket or of an unknown kind")
    }
  }

  /// Sets what the making of entries has changed.
  func finish() throws {
    if options.copy != nil, let (link, target) = links.first {
      throw EngineError(
        .corrupt, "the archive links \(EntryPath.text(link)) to \(EntryPath.text(target)), which is nowhere",
        subject: EntryPath.text(link))
    }
    for (path, rest) in unfinished {
      let slices = path.split(separator: UInt8(ascii: "/"))
      // One that was replaced by something else has no directory's time.
      guard let directory = try? targets.walk(slices[...]) else { continue }
      let here = [CChar(UInt8(ascii: ".")), 0]
      if let value = rest.defaultACL {
        try value.withUnsafeBytes { value in
          try setAttribute(AccessControl.inherited, value) {
            try directory.setExtendedAttribute(AccessControl.inherited, value, of: here)
          }
        }
      }
      if let permissions = rest.permissions { try directory.setPermissions(of: here, permissions) }
      try directory.setTimes(of: here, rest.time)
      try addSize(of: here, in: directory)
    }
    for path in implied {
      let slices = path.split(separator: UInt8(ascii: "/"))
      guard let directory = try? targets.walk(slices[...]) else { continue }
      try addSize(of: [CChar(UInt8(ascii: ".")), 0], in: directory)
    }
    if unfinished[[]] == nil { try addSize(of: [CChar(UInt8(ascii: ".")), 0], in: root) }
    unfinished = [:]
  }

  private func addSize(of base: [CChar], in directory: FileDescriptor) throws {
    if bytesOnDisk != nil { bytesOnDisk? += try directory.status(of: base)?.bytesOnDisk ?? 0 }
  }

  func warn(_ text: String) {
    if warnings.count < 100 { warnings.append(text) }
  }

  private func count() throws(EngineError) {
    made += 1
    guard made <= options.limits.entries else {
      throw .overLimit("the archive has more than \(options.limits.entries) entries", "--unpack-entries")
    }
  }

  /// Says that `names` are kept to the end.
  private func keep(_ names: [UInt8]...) throws(EngineError) {
    try keep(bytes: names.reduce(0) { $0 + $1.count })
  }

  private func keep(bytes count: Int) throws(EngineError) {
    bytesOfNames += count
    guard bytesOfNames <= options.limits.names else {
      throw EngineError(
        .corrupt,
        "the names of the archive's directories and links take more than \(options.limits.names) bytes",
        hint: "the image is broken or hostile")
    }
  }

  /// What an archive's name stands for; the root itself has none where it is the place of a copy.
  private func place(_ name: [UInt8]) throws -> EntryPath {
    let path = try EntryPath(name)
    guard let copy = options.copy, !path.isRoot else { return path }
    if placeOfCopy == nil {
      _ = try enter(EntryPath(copy.place).components[...], copy.place)
      placeOfCopy = parents.path
    }
    return try EntryPath((placeOfCopy ?? []) + [UInt8(ascii: "/")] + name)
  }

  private func permissions(_ entry: ArchiveEntry) -> UInt32 {
    options.copy?.keepsSetIDBits ?? true ? entry.permissions : entry.permissions & 0o1777
  }

  /// Where an entry of the directory that was entered last really is.
  private func placed(_ last: some Collection<UInt8>) -> [UInt8] {
    let parent = parents.path
    return parent.isEmpty ? Array(last) : parent + [UInt8(ascii: "/")] + last
  }

  // MARK: Kinds of entry

  private func writeRoot(_ entry: ArchiveEntry, _ owner: Owner, _ name: [UInt8]) throws {
    guard entry.kind == .directory else {
      throw EngineError(
        .corrupt, "the archive's root directory is no directory", subject: EntryPath.text(name),
        hint: "the image is broken or hostile")
    }
    let here = [CChar(UInt8(ascii: ".")), 0]
    try settleDirectory(here, [], entry, owner, in: root)
  }

  private func writeDirectory(
    _ base: [CChar], _ entry: ArchiveEntry, _ owner: Owner, in parent: FileDescriptor, _ name: [UInt8]
  ) throws {
    let permissions = self.permissions(entry) & 0o777
    if let present = try parent.status(of: base) {
      // What is there stays as it is; a link to a directory will be followed.
      if options.copy != nil, present.kind == .directory || present.kind == .symbolicLink { return }
      if present.kind != .directory {
        try remove(base, in: parent)
        try parent.makeDirectory(base, permissions: permissions)
        if present.isWhiteout { try markOpaque(base, in: parent) }
      }
    } else {
      try parent.makeDirectory(base, permissions: permissions)
    }
    let path = placed(base.dropLast().map { UInt8(bitPattern: $0) })
    try settleDirectory(base, path, entry, owner, in: parent)
    implied.remove(path)
  }

  private func writeFile(
    _ base: [CChar], _ entry: ArchiveEntry, _ owner: Owner, in parent: FileDescriptor, _ reader: ArchiveReader
  ) throws {
    let descriptor = try createFile(base, permissions(entry) & 0o777, in: parent)
    defer { try? descriptor.close() }
    var end: Int64 = 0
    var isPlain = true
    while let (bytes, offset) = try reader.nextBlock() {
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
    if end >= Self.writebackFrom { descriptor.startWriteback(offset: 0, length: end) }
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

  private func createFile(_ base: [CChar], _ permissions: UInt32, in parent: FileDescriptor) throws
    -> FileDescriptor
  {
    do {
      return try parent.createFile(base, permissions: permissions).release()
    } catch {
      guard error.errno == .fileExists else { throw error }
    }
    try remove(base, in: parent)
    return try parent.createFile(base, permissions: permissions).release()
  }

  /// Files of this size or more begin their way to the disk at once, so that the sync at the end is short.
  private static let writebackFrom: Int64 = 256 << 10

  private func writeLink(_ base: [CChar], _ entry: ArchiveEntry, in parent: FileDescriptor, _ name: [UInt8])
    throws
  {
    guard let target = entry.hardLink else { return }
    let path = try place(target)
    guard let last = path.components.last else {
      throw EngineError(.corrupt, "the archive links \(EntryPath.text(name)) to its root directory")
    }
    let (from, to) = (placed(base.dropLast().map { UInt8(bitPattern: $0) }), path.joined)
    // GNU tar writes such a link for a file that it was told to archive twice.
    if from == to { return }
    guard let directory = try? targets.walk(path.parent),
      let present = try directory.status(of: last.cString),
      !present.isWhiteout
    else {
      try replacing(base, in: parent) {}
      try keep(from, to)
      links[from] = links[to] ?? to
      return
    }
    guard present.kind != .directory else {
      throw EngineError(
        .corrupt, "the archive links \(EntryPath.text(name)) to a directory", subject: EntryPath.text(name),
        hint: "the image is broken or hostile")
    }
    if try parent.status(of: base) != nil { try remove(base, in: parent) }
    // What was removed may have been on the way.
    try parent.makeHardLink(base, to: last.cString, in: targets.walk(path.parent))
  }

  private func writeDevice(
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

  private func writeWhiteout(_ last: ArraySlice<UInt8>, in parent: FileDescriptor, _ name: [UInt8]) throws {
    let hidden = last.dropFirst(Whiteout.prefix.count)
    if last.elementsEqual(Whiteout.opaque) {
      return try markOpaque([CChar(UInt8(ascii: ".")), 0], in: parent)
    }
    // Marks of another union file system.
    if hidden.starts(with: Whiteout.prefix) { return }
    guard !hidden.isEmpty, !hidden.elementsEqual(".".utf8), !hidden.elementsEqual("..".utf8) else {
      throw EngineError(.corrupt, "the archive has a whiteout of no file: \(EntryPath.text(name))")
    }
    guard let present = try parent.status(of: hidden.cString) else {
      return try parent.makeNode(hidden.cString, .characterDevice, permissions: 0)
    }
    // What this layer itself has of that name stays; if it is a directory, nothing from below shows in it.
    if present.kind == .directory { try markOpaque(hidden.cString, in: parent) }
  }

  private func markOpaque(_ base: [CChar], in parent: FileDescriptor) throws {
    try [UInt8(ascii: "y")].withUnsafeBytes {
      try parent.setExtendedAttribute(options.overlayXattrs.opaque, $0, of: base)
    }
  }

  // MARK: Places

  /// Goes to a directory of the layer; one without an entry is made, and noted as implied.
  private func enter(_ components: ArraySlice<ArraySlice<UInt8>>, _ name: [UInt8]) throws -> FileDescriptor {
    var components = components
    for _ in 0..<40 {
      do {
        return try enterExact(components, name)
      } catch let link as LinkOnTheWay {
        components = try link.replaced(in: components)
      }
    }
    throw EngineError(.corrupt, "the archive leads in circles: \(EntryPath.text(name))")
  }

  private struct LinkOnTheWay: Error {
    var index: Int
    var target: [UInt8]

    /// The way with the link's target in its place, never above the root.
    func replaced(in components: ArraySlice<ArraySlice<UInt8>>) throws -> ArraySlice<ArraySlice<UInt8>> {
      let way = Array(components)
      var result = target.first == UInt8(ascii: "/") ? [] : Array(way[..<index])
      for component in target.split(separator: UInt8(ascii: "/")) + way[(index + 1)...] {
        if component.elementsEqual([UInt8(ascii: ".")]) { continue }
        if component.elementsEqual([UInt8(ascii: "."), UInt8(ascii: ".")]) {
          if !result.isEmpty { result.removeLast() }
        } else {
          result.append(component)
        }
      }
      return result[...]
    }
  }

  private func enterExact(_ components: ArraySlice<ArraySlice<UInt8>>, _ name: [UInt8]) throws
    -> FileDescriptor
  {
    var level = 0
    for component in components {
      defer { level += 1 }
      let isHere = parents.component(level, is: component)
      if isHere { continue }
      parents.leave(to: level)
      if (try? parents.enter(component)) != nil { continue }
      try makeWay(component, level, name)
      try parents.enter(component)
    }
    parents.leave(to: level)
    return try parents.descriptor()
  }

  /// Makes the directory that cannot be entered, where that is what is wrong.
  private func makeWay(_ component: ArraySlice<UInt8>, _ level: Int, _ name: [UInt8]) throws {
    let here = try parents.descriptor()
    let base = component.cString
    guard let status = try here.status(of: base) else {
      try count()
      try here.makeDirectory(base, permissions: 0o755)
      let path = placed(component)
      try keep(path)
      implied.insert(path)
      // Of one that was here before, and is gone.
      unfinished[path] = nil
      return
    }
    if status.kind == .symbolicLink {
      throw LinkOnTheWay(index: level, target: try here.linkTarget(of: base) ?? [])
    }
    if status.isWhiteout {
      try remove(base, in: here)
      try here.makeDirectory(base, permissions: 0o755)
      try markOpaque(base, in: here)
    } else if status.kind != .directory {
      throw EngineError(
        .corrupt, "the archive has \(EntryPath.text(name)) beneath something that is no directory")
    }
  }

  private func remove(_ base: [CChar], in parent: FileDescriptor) throws {
    if options.copy != nil, try parent.status(of: base)?.kind == .directory {
      throw EngineError(
        .conflict,
        "cannot replace the directory \(EntryPath.text(base.dropLast().map { UInt8(bitPattern: $0) }))",
        hint: "remove it first, or copy to another name")
    }
    // Descriptors into a directory that goes would lead out of the layer's tree.
    parents.leave(to: parents.depth)
    targets.leave(to: 0)
    bytesOnDisk = nil
    try removeTree(base, in: parent)
  }

  private func replacing(_ base: [CChar], in parent: FileDescriptor, _ make: () throws -> Void) throws {
    if try parent.status(of: base) != nil { try remove(base, in: parent) }
    try make()
  }

  // MARK: Metadata

  struct Owner {
    var user: UInt32
    var group: UInt32
  }

  private func owner(of entry: ArchiveEntry, _ name: [UInt8]) throws(EngineError) -> Owner {
    if let owner = options.copy?.owner { return Owner(user: owner.user, group: owner.group) }
    let shift = options.copy?.idShift ?? 0
    let highest = Int64(options.highestID) - shift
    guard (0...highest).contains(entry.owner), (0...highest).contains(entry.group) else {
      let id = (0...highest).contains(entry.owner) ? "group \(entry.group)" : "user \(entry.owner)"
      throw EngineError(
        .unsupported, "cannot give \(EntryPath.text(name)) to \(id): ids here end with \(highest)",
        subject: EntryPath.text(name),
        causes: [
          "the ids from \(highest + 1) to \(max(entry.owner, entry.group)) are not in the user namespace's map"
        ],
        hint: "add a range of subordinate ids that reaches it to /etc/subuid and /etc/subgid")
    }
    return Owner(user: UInt32(entry.owner + shift), group: UInt32(entry.group + shift))
  }

  /// Owner, attributes and times of what has no descriptor of its own.
  private func settle(
    _ base: [CChar], _ entry: ArchiveEntry, _ owner: Owner, in parent: FileDescriptor
  ) throws {
    if owner.user != ownUser || owner.group != ownGroup || options.copy != nil {
      try parent.setOwner(of: base, owner.user, group: owner.group)
    }
    try entry.forEachExtendedAttribute { name, value in
      try setAttribute(name, value) {
        try parent.setExtendedAttribute(name, value, of: base)
      }
    }
    try parent.setTimes(of: base, entry.time)
    try addSize(of: base, in: parent)
  }

  /// What a directory has of its own at once, and what it would hand down to its entries at the end (`finish`): each of them
  /// has an owner, permissions and attributes of its own in the archive.
  private func settleDirectory(
    _ base: [CChar], _ path: [UInt8], _ entry: ArchiveEntry, _ owner: Owner, in parent: FileDescriptor
  ) throws {
    try parent.setOwner(of: base, owner.user, group: owner.group)
    var rest = DirectoryRest(time: entry.time)
    try entry.forEachExtendedAttribute { name, value in
      if String(cString: name) == AccessControl.inherited {
        rest.defaultACL = Array(value)
      } else {
        try setAttribute(name, value) { try parent.setExtendedAttribute(name, value, of: base) }
      }
    }
    let handedDown: UInt32 = 0o2000
    if permissions(entry) & handedDown != 0 { rest.permissions = permissions(entry) }
    try parent.setPermissions(of: base, permissions(entry) & ~handedDown)
    let (known, size) = (unfinished.updateValue(rest, forKey: path), rest.defaultACL?.count ?? 0)
    if known == nil { try keep(path) }
    if size > 0 { try keep(bytes: size) }
  }

  private struct DirectoryRest {
    var time: FileTime
    /// Nil where they are set.
    var permissions: UInt32?
    var defaultACL: [UInt8]?
  }

  private func setAttribute(
    _ name: UnsafePointer<CChar>, _ value: UnsafeRawBufferPointer, _ set: () throws -> Void
  ) throws {
    let text = String(cString: name)
    // Marks of overlayfs are the engine's own: from an archive they would reach into other layers.
    let shown = EntryPath.text(text.utf8)
    guard !text.hasPrefix("trusted.overlay."), !text.hasPrefix("user.overlay.") else {
      return warn("left out the attribute \(shown)")
    }
    // xattr(7): what no file system keeps.
    guard text.utf8.count <= 255, value.count <= 65_536 else {
      throw EngineError(
        .corrupt, "the archive has an attribute that no file can have: \(shown), of \(value.count) bytes",
        hint: "the image is broken or hostile")
    }
    do {
      try set()
    } catch let error as SystemError {
      switch error.errno {
      case .notSupported, .notPermitted: warn("left out the attribute \(shown): \(error.errno)")
      case .noSpace, .argListTooLong, .outOfRange:
        // Ext4 says so of a value that is longer than its block, on a disk with room enough.
        throw EngineError(
          ErrorKind(error.errno), "cannot keep the attribute \(shown) of \(value.count) bytes",
          causes: [error.description],
          hint:
            "free space on the file system that holds the store, or take one that keeps long attributes, as XFS"
        )
      default: throw error
      }
    }
  }
}

extension ArchiveEntry {
  var time: FileTime {
    let time = modified
    return FileTime(seconds: time.seconds, nanoseconds: min(max(time.nanoseconds, 0), 999_999_999))
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
}
