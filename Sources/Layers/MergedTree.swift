package import EngineErrors
package import LinuxSystem
package import SystemPackage

/// Layers as the one tree that overlayfs shows of them, read without a mount.
package struct MergedTree {
  private let layers: [OpenDirectory]

  /// - Parameter layers: the uppermost first.
  package init(_ layers: [FilePath]) throws(EngineError) {
    do {
      self.layers = try layers.map { OpenDirectory(try openDirectory($0)) }
    } catch {
      throw EngineError("open the layers", wrapping: error)
    }
  }

  /// Writes the whole tree as a tar archive: sorted by name, each directory before what is in it, with PAX headers; the
  /// same tree always gives the same bytes. Sockets are left out. Blocks.
  ///
  /// What goes away meanwhile, in the layer of a container that runs, is left out.
  /// - Parameter sink: gets the bytes in order.
  /// - Throws: what reading the tree or the sink fails with.
  package func write(overlayXattrs: OverlayXattrs, sink: (UnsafeRawBufferPointer) throws -> Void) throws {
    try withoutActuallyEscaping(sink) { sink in
      let writer = try ArchiveWriter(sink, overlayXattrs)
      _ = try visit(root, writer)
      try writer.finish()
    }
  }

  /// A directory of the tree.
  package struct Directory: Sendable {
    fileprivate var path: [UInt8]
    /// The layers that have something in it, the uppermost first.
    fileprivate var contributors: [Int]
    package var status: FileStatus
  }

  private var root: Directory {
    get throws {
      let top = try layers.firstIndex { try isOpaque($0.descriptor) } ?? layers.count - 1
      return Directory(
        path: [], contributors: Array(layers.indices.prefix(top + 1)),
        status: try layers[0].descriptor.status())
    }
  }

  /// Looks a directory up, with this tree's root as `/` on the whole way: neither `..` nor a link leads out.
  ///
  /// - Returns: nil where there is nothing.
  /// - Throws: `invalidArgument` for what is no directory, and for links that lead in circles.
  package func directory(_ path: FilePath) throws -> Directory? {
    func components(_ path: some Collection<UInt8>) -> [[UInt8]] {
      path.split(separator: UInt8(ascii: "/")).map { Array($0) }
    }
    func refused(_ why: String) -> EngineError {
      EngineError(.invalidArgument, "\(path) \(why) in the image", subject: path.string)
    }
    var way = [try root]
    var rest = Array(components(path.string.utf8).reversed())
    var links = 0
    while let name = rest.popLast() {
      if name == [UInt8(ascii: ".")] { continue }
      if name == [UInt8(ascii: "."), UInt8(ascii: ".")] {
        if way.count > 1 { way.removeLast() }
        continue
      }
      guard let found = try entry(name, of: way[way.count - 1]) else { return nil }
      switch found.status.kind {
      case .directory: way.append(found)
      case .symbolicLink:
        links += 1
        guard links <= 40, let layer = found.contributors.first else { throw refused("leads in circles") }
        let parent = try open(way[way.count - 1].path, in: layer)
        let target = try withExtendedLifetime(parent) {
          try parent.descriptor.linkTarget(of: name.cString) ?? []
        }
        if target.first == UInt8(ascii: "/") { way.removeLast(way.count - 1) }
        rest += components(target).reversed()
      default: throw refused("is no directory")
      }
    }
    return way.last
  }

  /// What a name of a directory stands for; for what is no directory itself, the contributor is the layer that it is taken from.
  private func entry(_ name: [UInt8], of directory: Directory) throws -> Directory? {
    let path = directory.path.isEmpty ? name : directory.path + [UInt8(ascii: "/")] + name
    var found: Directory?
    for layer in directory.contributors {
      let parent = try open(directory.path, in: layer)
      defer { withExtendedLifetime(parent) {} }
      guard let status = try parent.descriptor.status(of: name.cString) else { continue }
      guard status.kind == .directory else {
        if found != nil || status.isWhiteout { break }
        return Directory(path: path, contributors: [layer], status: status)
      }
      if found == nil { found = Directory(path: path, contributors: [], status: status) }
      found?.contributors.append(layer)
      if try isOpaque(name.cString, in: parent.descriptor) { break }
    }
    return found
  }

  package func isEmpty(_ directory: Directory) throws -> Bool {
    var parents: [OpenDirectory] = []
    defer { withExtendedLifetime(parents) {} }
    return try merged(directory.contributors) { layer in
      let parent = try open(directory.path, in: layer)
      parents.append(parent)
      return parent.descriptor
    }.isEmpty
  }

  /// Writes a directory, as `./`, with all that is in it, as `write(overlayXattrs:sink:)` does.
  ///
  /// - Returns: how many entries there were.
  package func write(
    _ directory: Directory, overlayXattrs: OverlayXattrs, sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Int {
    try withoutActuallyEscaping(sink) { sink in
      let writer = try ArchiveWriter(sink, overlayXattrs)
      let own = try open(directory.path, in: directory.contributors.first ?? 0)
      defer { withExtendedLifetime(own) {} }
      let here = [CChar(UInt8(ascii: ".")), 0]
      try writer.writeEntry(
        UpperEntry(path: [UInt8(ascii: ".")], name: here, parent: own.descriptor, status: directory.status))
      let count = try visit(directory, writer)
      try writer.finish()
      return count + 1
    }
  }

  /// A directory of the tree that is being gone through.
  private struct Visit {
    var path: [UInt8]
    /// The next one last.
    var rest: [(name: [UInt8], entry: Entry)]
    /// Open only until the next directory is entered: a tree may be deep, and an image may have many layers.
    var parents: [Int: OpenDirectory] = [:]
  }

  /// No recursion: a container's tree may be deeper than a thread's stack. What has a longer way than any path is left out.
  ///
  /// - Returns: how many entries there were.
  private func visit(_ root: Directory, _ writer: ArchiveWriter) throws -> Int {
    let prefix = root.path.isEmpty ? 0 : root.path.count + 1
    var count = 0
    func begin(_ path: [UInt8], _ contributors: [Int]) throws -> Visit {
      var visit = Visit(path: path, rest: [])
      visit.rest = try merged(contributors) { try parent($0, &visit) }.reversed()
      return visit
    }
    func parent(_ layer: Int, _ visit: inout Visit) throws -> FileDescriptor {
      let open = try visit.parents[layer] ?? self.open(visit.path, in: layer)
      visit.parents[layer] = open
      return open.descriptor
    }
    var visits = [try begin(root.path, root.contributors)]
    while !visits.isEmpty {
      let last = visits.count - 1
      guard let (name, entry) = visits[last].rest.popLast() else {
        visits.removeLast()
        continue
      }
      let entryPath = (visits[last].path.isEmpty ? [] : visits[last].path + [UInt8(ascii: "/")]) + name
      guard entryPath.count <= EntryPath.longestPath else {
        writer.leaveOutRest(of: visits[last].path)
        visits[last].rest = []
        continue
      }
      do {
        try writer.writeEntry(
          UpperEntry(
            path: Array(entryPath.dropFirst(prefix)), name: name.cString,
            parent: try parent(entry.layer, &visits[last]), status: entry.status))
        count += 1
        guard entry.status.kind == .directory else { continue }
        visits[last].parents = [:]
        visits.append(try begin(entryPath, entry.contributors))
      } catch let error as SystemError {
        guard error.errno == .noSuchFileOrDirectory else { throw error }
      }
    }
    return count
  }

  /// What a name of a merged directory stands for.
  private struct Entry {
    var status: FileStatus
    /// The layer that it is taken from.
    var layer: Int
    /// For a directory: the layers that have something in it, the uppermost first.
    var contributors: [Int]
    /// Whether nothing of the layers below is seen.
    var isSealed: Bool
  }

  /// The entries of a directory in all layers that have it, sorted by name.
  private func merged(_ contributors: [Int], _ parent: (Int) throws -> FileDescriptor) throws
    -> [(name: [UInt8], entry: Entry)]
  {
    var found: [[UInt8]: Entry] = [:]
    for layer in contributors {
      let directory = try parent(layer)
      for name in try directory.sortedEntries() {
        if found[name.name]?.isSealed == true { continue }
        guard let status = try directory.status(of: name.cName) else { continue }
        let isDirectory = status.kind == .directory
        var entry =
          found[name.name] ?? Entry(status: status, layer: layer, contributors: [], isSealed: false)
        if isDirectory { entry.contributors.append(layer) }
        entry.isSealed = try !isDirectory || isOpaque(name.cName, in: directory)
        found[name.name] = entry
      }
    }
    return found.filter { !$0.value.status.isWhiteout }
      .map { (name: $0.key, entry: $0.value) }
      .sorted { $0.name.lexicographicallyPrecedes($1.name) }
  }

  private func open(_ path: [UInt8], in layer: Int) throws -> OpenDirectory {
    path.isEmpty
      ? layers[layer] : OpenDirectory(try layers[layer].descriptor.openDirectoryBeneath(path.cString))
  }

  // A layer has the marks of the kind that its engine can set; the other kind is as good as none.
  private func isOpaque(_ name: [CChar], in directory: FileDescriptor) throws -> Bool {
    try Self.marks.contains { try directory.extendedAttribute($0, of: name) == Self.yes }
  }

  private func isOpaque(_ directory: FileDescriptor) throws -> Bool {
    try Self.marks.contains { try directory.extendedAttribute($0) == Self.yes }
  }

  private static let marks = [OverlayXattrs.trusted.opaque, OverlayXattrs.user.opaque]
  private static let yes = [UInt8(ascii: "y")]
}

/// A directory that stays open as long as anyone uses it.
private final class OpenDirectory: Sendable {
  private let owned: OwnedDescriptor

  init(_ owned: consuming OwnedDescriptor) { self.owned = owned }

  var descriptor: FileDescriptor { owned.descriptor }
}
