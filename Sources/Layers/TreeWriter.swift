import EngineErrors
import LinuxSystem
import SystemPackage

/// Makes the tree of a layer from the entries of its archive, and never anything outside of it (invariant 8): each
/// directory is opened beneath the one above it, following no symbolic link.
///
/// Used by one thread, whose umask is 0.
final class TreeWriter {
  let root: FileDescriptor
  let options: UnpackOptions
  /// Where entries are made, and where hard links lead to.
  let parents: DirectoryPlace
  let targets: DirectoryPlace
  let ownUser: UInt32
  let ownGroup: UInt32
  /// What directories get at the end: what is made in them before changes their times, and would take after the rest.
  var unfinished: [[UInt8]: DirectoryRest] = [:]
  /// Directories that so far have no entry of their own.
  var implied: Set<[UInt8]> = []
  /// Hard links to what is not in the layer, and where they lead.
  var links: [[UInt8]: [UInt8]] = [:]
  /// Where a copy goes, without links on the way; once it is known.
  var placeOfCopy: [UInt8]?
  private(set) var warnings: [String] = []
  private var made = 0
  private var bytesOfNames = 0
  /// What the entries take up on the disk; nil where some are gone again. It is counted as they are made: to ask for each of
  /// them again costs a tenth of what making it does.
  var bytesOnDisk: Int64? = 0
  let blockSize: Int64

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

  func write(_ entry: ArchiveEntry, _ content: any EntryContent) throws {
    try count()
    guard let name = entry.path else {
      throw EngineError.refused("the archive has an entry without a name")
    }
    let path = try place(name)
    let owner = try owner(of: entry, name)
    if path.isRoot { return try options.copy?.setsRoot ?? true ? writeRoot(entry, owner, name) : () }
    guard let last = path.components.last else { return }
    // Other union file systems keep their own things in such places.
    let hasWhiteouts = options.copy == nil
    if hasWhiteouts, path.parent.contains(where: Whiteout.isOne) {
      return warn("left out \(EntryPath.text(name)): it lies in a whiteout")
    }
    let parent = try enter(path.parent, name)
    if hasWhiteouts, Whiteout.isOne(last) { return try writeWhiteout(last, in: parent, name) }
    let base = last.cString
    if !links.isEmpty { links[placed(last)] = nil }
    switch entry.kind {
    case .directory: try writeDirectory(base, entry, owner, in: parent, name)
    case .file: try writeFile(base, entry, owner, in: parent, content)
    case .symbolicLink:
      let target = (entry.symbolicLink ?? []).cString
      try replacing(base, in: parent) { () throws(SystemError) in
        try parent.makeSymbolicLink(base, to: target)
      }
      try settle(base, entry, owner, in: parent)
    case .hardLink: try writeLink(base, entry, in: parent, name)
    case .fifo:
      try replacing(base, in: parent) { () throws(SystemError) in
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

  func addSize(of base: [CChar], in directory: FileDescriptor) throws {
    if bytesOnDisk != nil { bytesOnDisk? += try directory.status(of: base)?.bytesOnDisk ?? 0 }
  }

  func warn(_ text: String) {
    if warnings.count < 100 { warnings.append(text) }
  }

  func count() throws(EngineError) {
    made += 1
    guard made <= options.limits.entries else {
      throw .overLimit("the archive has more than \(options.limits.entries) entries", "--unpack-entries")
    }
  }

  /// Says that `names` are kept to the end.
  func keep(_ names: [UInt8]...) throws(EngineError) {
    try keep(bytes: names.reduce(0) { $0 + $1.count })
  }

  func keep(bytes count: Int) throws(EngineError) {
    bytesOfNames += count
    guard bytesOfNames <= options.limits.names else {
      throw .refused(
        "the names of the archive's directories and links take more than \(options.limits.names) bytes")
    }
  }
}
