import Dockerfile
import EngineErrors
import Layers
import LinuxSystem
import OCIModel
import SystemPackage

/// COPY and ADD after their sources were found: what decides about them, and how they are carried out. Blocks.
struct CopyStep: Sendable {
  /// What a source, or one name that fits its pattern, has come to.
  struct Match: Sendable {
    var root: SourceRoot
    var path: String
    /// Of directories their content is copied, of files they themselves.
    var isDirectory: Bool
    var entries: ArraySlice<CopyEntry>
    /// Whether a file that is an archive is unpacked.
    var unpacks: Bool
    /// Behind its files' names in what decides about the outcome, where several trees may have files of one name.
    var origin: String
  }

  var transfer: Transfer
  /// In the order in which they are copied: a later file takes the place of an earlier one.
  var matches: [Match]
  /// Absolute.
  var destination: String
  /// Nil keeps the source's.
  var owner: (user: UInt32, group: UInt32)?
  var mode: ModeChange?
  var failure: @Sendable (String, String?) -> EngineError

  static func matches(
    of selection: CopySelection, in root: SourceRoot, unpacks: Bool, origin: String = ""
  ) -> [Match] {
    selection.matches.map {
      Match(
        root: root, path: $0.path, isDirectory: $0.isDirectory, entries: selection.entries[$0.entries],
        unpacks: unpacks, origin: origin)
    }
  }

  /// What is copied, by name.
  func inputs(_ digests: FileDigests, _ isCancelled: @Sendable () -> Bool) throws -> StepInputs {
    var inputs: StepInputs = [:]
    inputs.reserveCapacity(matches.reduce(transfer.inline.count) { $0 + $1.entries.count })
    var place = Place()
    for match in matches {
      for entry in match.entries {
        if isCancelled() { throw EngineError.cancelled("reading files") }
        inputs["file " + entry.name + match.origin] = try value(
          entry, match.root, &place, digests, isCancelled)
      }
    }
    // Links may give files another order than their names have.
    let paths = matches.map { $0.path + $0.origin }
    if zip(paths, paths.dropFirst()).contains(where: { $0 > $1 }) {
      inputs["the order of the files"] = paths.joined(separator: " ")
    }
    for file in transfer.inline {
      inputs["inline " + file.name] = file.bytes.map { "bytes \(Digest(of: $0))" } ?? file.content
    }
    return inputs
  }

  private func value(
    _ entry: CopyEntry, _ root: SourceRoot, _ place: inout Place, _ digests: FileDigests,
    _ isCancelled: () -> Bool
  ) throws -> String {
    let status = entry.status
    let mode = String(status.permissions, radix: 8)
    var owner = root.isContext ? "" : " \(status.owner):\(status.group)"
    if !root.isContext, status.kind != .symbolicLink {
      if status.kind == .regular, status.linkCount > 1 { owner += " links:\(status.linkCount)" }
      let (parent, name) = try place.parent(of: entry.source, in: root)
      owner += try Self.attributes(of: name, in: parent)
    }
    switch status.kind {
    case .regular:
      // Of most files it is known, and they are not even opened.
      if let known = digests.known(status) { return "sha256:\(known) \(mode)\(owner)" }
      let (parent, name) = try place.parent(of: entry.source, in: root)
      return "sha256:\(try digests.digest(name, in: parent, status, isCancelled)) \(mode)\(owner)"
    case .symbolicLink:
      let (parent, name) = try place.parent(of: entry.source, in: root)
      return "link to \(NameText.text(try parent.linkTarget(of: name) ?? []))\(owner)"
    case .directory: return "directory \(mode)\(owner)"
    case .characterDevice, .blockDevice:
      return "device \(status.device.major):\(status.device.minor) \(mode)\(owner)"
    case .fifo, .socket, .unknown: return "\(status.kind) \(mode)\(owner)"
    }
  }

  /// What of extended attributes is copied from a stage or an image: of files their capabilities above all, of directories what
  /// they hand down. Nothing where there are none.
  private static func attributes(of name: [CChar], in parent: FileDescriptor) throws -> String {
    var found = ""
    for attribute in try parent.extendedAttributeNames(of: name) {
      let text = String(decoding: attribute, as: UTF8.self)
      guard FileAttributes(text) == .own else { continue }
      let value = try parent.extendedAttribute(attribute.cString, of: name) ?? []
      found += " \(text)=\(Digest(of: value).hex)"
    }
    return found
  }

  /// The directory of entries that come one after the other, opened once.
  struct Place {
    private var open: (root: SourceRoot, path: String, directory: Directory)?

    private final class Directory {
      let owned: OwnedDescriptor
      init(_ owned: consuming OwnedDescriptor) { self.owned = owned }
    }

    mutating func parent(of path: String, in root: SourceRoot) throws -> (FileDescriptor, [CChar]) {
      let slash = path.lastIndex(of: "/")
      let parent = slash.map { String(path[..<$0]) } ?? ""
      let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
      if open?.path != parent || open?.root !== root {
        open = (
          root, parent, Directory(try root.descriptor.openDirectoryInRoot(NameText.path("/" + parent)))
        )
      }
      guard let open else { throw EngineError(.internal, "a directory was not opened") }
      return (open.directory.owned.descriptor, NameText.cString(name))
    }
  }

  /// Puts the files into the tree of a stage, on a thread that ends after it.
  ///
  /// - Parameter time: for all of them, instead of their own.
  func carryOut(
    in tree: FileDescriptor, _ options: UnpackOptions, time: FileTime?, _ isCancelled: @Sendable () -> Bool
  ) throws {
    let count = matches.count + transfer.inline.count
    if count == 0 { return }
    var source = Place()
    let archives = try matches.indices.filter { try isUnpacked(matches[$0], &source) }
    let status = try Self.lookUp(destination, in: tree)
    let endsInSlash = transfer.destination.text.hasSuffix("/") || transfer.destination.text.hasSuffix("/.")
    let isOneFile =
      count == 1 && matches.first?.isDirectory != true && !endsInSlash && status?.kind != .directory
      && !transfer.keepsParents && destination != "/" && archives.isEmpty
    if let status, status.kind != .directory, !isOneFile {
      throw failure("the destination \(destination) is there and is no directory", nil)
    }
    let directory = isOneFile ? Self.parent(destination) : destination
    let rename = isOneFile ? destination.split(separator: "/").last.map(String.init) : nil

    func copy(_ range: Range<Int>) throws {
      let (place, missing) = try Self.deepest(directory, in: tree)
      try Self.write(into: tree, at: place, options, time) { archive in
        let parents = owner ?? (0, 0)
        for path in missing {
          try archive.addDirectory(Array(path.utf8), permissions: 0o755, owner: parents)
        }
        let base = missing.last ?? ""
        for match in matches[range] {
          for entry in match.entries {
            if isCancelled() { throw EngineError.cancelled("copying files") }
            let target = CopySelection.join(base, match.isDirectory ? entry.target : rename ?? entry.target)
            try add(entry, of: match.root, as: target, to: archive, &source)
          }
        }
        for file in range.upperBound == matches.count ? transfer.inline : [] {
          let target = CopySelection.join(base, rename ?? file.name)
          try archive.addFile(
            Array(target.utf8), file.bytes ?? Array(file.content.utf8),
            permissions: mode?.applied(to: 0o644, isDirectory: false) ?? 0o644,
            owner: owner ?? (0, 0))
        }
      }
    }
    var next = 0
    for index in archives {
      // Also of no file: it makes the directory.
      try copy(next..<index)
      if let entry = matches[index].entries.first {
        try unpack(entry, of: matches[index].root, into: tree, at: destination, options, &source, isCancelled)
      }
      next = index + 1
    }
    if next < matches.count || !transfer.inline.isEmpty { try copy(next..<matches.count) }
  }

  private func add(
    _ entry: CopyEntry, of root: SourceRoot, as target: String, to archive: TreeCopy, _ source: inout Place
  ) throws {
    let (parent, name) = try source.parent(of: entry.source, in: root)
    var changes = EntryChanges()
    changes.owner = owner ?? (root.isContext ? (0, 0) : nil)
    changes.permissions = mode?.applied(
      to: entry.status.permissions, isDirectory: entry.status.kind == .directory)
    changes.keepsAttributes = !root.isContext
    changes.keepsLinks = !root.isContext
    try archive.add(
      NameText.bytes(target), name, in: parent, entry.status, changes, source: NameText.shown(entry.source))
  }

  // MARK: Places

  private static func parent(_ path: String) -> String {
    let parts = path.split(separator: "/").dropLast()
    return "/" + parts.joined(separator: "/")
  }

  /// Nil also where a file is in the way.
  private static func lookUp(_ path: String, in tree: FileDescriptor) throws -> FileStatus? {
    do { return try tree.statusInRoot(FilePath(path)) } catch  where error.errno == .notDirectory {
      return nil
    }
  }

  /// The deepest directory on the way that is there, and from it the paths of those that are not.
  static func deepest(_ path: String, in tree: FileDescriptor) throws -> (place: String, missing: [String]) {
    let parts = path.split(separator: "/").map(String.init)
    for count in stride(from: parts.count, through: 0, by: -1) {
      let place = "/" + parts[..<count].joined(separator: "/")
      guard let status = try lookUp(place, in: tree) else { continue }
      guard status.kind == .directory else {
        throw EngineError(.conflict, "\(place) is in the way: it is no directory", subject: place)
      }
      var missing: [String] = []
      for part in parts[count...] { missing.append(CopySelection.join(missing.last ?? "", part)) }
      return (place, missing)
    }
    return ("/", [])
  }

  /// Makes files at a place of a tree, on a thread that ends after it.
  static func write(
    into tree: FileDescriptor, at place: String, _ options: UnpackOptions, _ time: FileTime?,
    _ body: (TreeCopy) throws -> Void
  ) throws {
    usePrivateUmask()
    var options = options
    options.copy = CopyOptions(place: Array(place.utf8.drop { $0 == UInt8(ascii: "/") }))
    let copy = try TreeCopy(into: tree, options, time: time)
    try body(copy)
    try copy.finish()
  }

  // MARK: Archives

  private func isUnpacked(_ match: Match, _ source: inout Place) throws -> Bool {
    guard match.unpacks, !match.isDirectory, let entry = match.entries.first, entry.status.kind == .regular
    else { return false }
    let root = match.root
    let (parent, name) = try source.parent(of: entry.source, in: root)
    let file = try parent.openFileBeneath(name)
    return try ArchiveFile.isArchive(file.descriptor)
  }

  private func unpack(
    _ entry: CopyEntry, of root: SourceRoot, into tree: FileDescriptor, at place: String,
    _ options: UnpackOptions, _ source: inout Place, _ isCancelled: () -> Bool
  ) throws {
    let (parent, name) = try source.parent(of: entry.source, in: root)
    let file = try parent.openFileBeneath(name)
    func checkFile() throws {
      try TreeCopy.check(try file.descriptor.status(), is: entry.status, NameText.shown(entry.source))
    }
    try checkFile()
    var options = options
    options.copy = CopyOptions(place: Array(place.utf8.drop { $0 == UInt8(ascii: "/") }))
    options.copy?.owner = owner
    let unpacker = try LayerUnpacker(into: tree, named: FilePath(place), options: options)
    try ArchiveFile.read(file.descriptor, options.limits) { bytes in
      if isCancelled() { throw EngineError.cancelled("unpacking \(entry.source)") }
      try unpacker.write(bytes)
    }
    try checkFile()
    _ = try unpacker.finish()
  }
}
