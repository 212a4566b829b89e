package import EngineErrors
import LinuxSystem
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
      let top = try layers.firstIndex { try isOpaque($0.descriptor) } ?? layers.count - 1
      try visit([], Array(layers.indices.prefix(top + 1)), writer)
      try writer.finish()
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
  private func visit(_ path: [UInt8], _ contributors: [Int], _ writer: ArchiveWriter) throws {
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
    var visits = [try begin(path, contributors)]
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
            path: entryPath, name: name.cString, parent: try parent(entry.layer, &visits[last]),
            status: entry.status))
        guard entry.status.kind == .directory else { continue }
        visits[last].parents = [:]
        visits.append(try begin(entryPath, entry.contributors))
      } catch let error as SystemError {
        guard error.errno == .noSuchFileOrDirectory else { throw error }
      }
    }
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
