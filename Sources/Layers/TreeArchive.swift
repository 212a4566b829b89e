import EngineErrors
import LinuxSystem
package import SystemPackage

/// A file or a directory with all that is in it, as a tar archive.
package struct TreeArchive {
  /// What is archived, and how it is called in the archive.
  package enum Root {
    /// An entry of a directory; a symbolic link is taken as itself.
    case entry([UInt8], of: FileDescriptor, as: [UInt8])
    /// All that is in a directory, without it.
    case contents(of: FileDescriptor)
  }

  private let root: Root
  private let overlayXattrs: OverlayXattrs
  private let idShift: Int64

  /// - Parameter idShift: taken from all ids: the first one of a user namespace that the tree is seen from outside of.
  package init(_ root: Root, overlayXattrs: OverlayXattrs, idShift: Int64 = 0) {
    self.root = root
    self.overlayXattrs = overlayXattrs
    self.idShift = idShift
  }

  /// Writes the archive: sorted by name, each directory before what is in it. What goes away meanwhile is left out; no
  /// symbolic link is followed, also not one that takes a directory's place meanwhile. Blocks.
  ///
  /// - Parameter progress: is told how many bytes of files were written so far.
  /// - Returns: how many entries there were, and how many bytes their files have.
  /// - Throws: `notFound` where the entry is gone; what reading the tree or the sink fails with.
  package func write(
    progress: ((Int64) -> Void)? = nil, sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> (entries: Int, contentSize: Int64) {
    try withoutActuallyEscaping(sink) { sink in
      let writer = try ArchiveWriter(sink, overlayXattrs, idShift: idShift)
      writer.contentProgress = progress
      var count = 0
      switch root {
      case .contents(let directory): count = try walk(directory, as: [], writer)
      case .entry(let name, let parent, let shown):
        guard let status = try parent.status(of: name.cString) else {
          throw EngineError(.notFound, "there is no \(EntryPath.text(name))", subject: EntryPath.text(name))
        }
        try writer.writeEntry(UpperEntry(path: shown, name: name.cString, parent: parent, status: status))
        count = 1
        if status.kind == .directory {
          let directory = try parent.openDirectoryBeneath(name.cString)
          count += try walk(directory.descriptor, as: shown, writer)
        }
      }
      try writer.finish()
      return (count, writer.contentSize)
    }
  }

  /// Closes the directory that it was made with.
  package func close() {
    switch root {
    case .entry(_, let parent, _), .contents(let parent): try? parent.close()
    }
  }

  /// However deep the tree: what is to be done is on the heap, and only the deepest directories are open.
  private func walk(_ root: FileDescriptor, as shown: [UInt8], _ writer: ArchiveWriter) throws -> Int {
    var place = DirectoryStack(root: root, readable: true)
    var left = [Array(try root.sortedEntries().reversed())]
    var count = 0
    while !left.isEmpty {
      guard let entry = left[left.count - 1].popLast() else {
        left.removeLast()
        if !left.isEmpty { place.leave(to: left.count - 1) }
        continue
      }
      do {
        let parent = try place.descriptor()
        guard let status = try parent.status(of: entry.cName) else { continue }
        let path = [shown, place.currentPath, entry.name].filter { !$0.isEmpty }
          .joined(separator: [UInt8(ascii: "/")])
        try writer.writeEntry(
          UpperEntry(path: Array(path), name: entry.cName, parent: parent, status: status))
        count += 1
        guard status.kind == .directory else { continue }
        try place.enter(entry.name[...])
        left.append(Array(try place.descriptor().sortedEntries().reversed()))
      } catch let error as SystemError
        where [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels].contains(error.errno)
      {
        // Somebody removed it, or put something else in its place.
        place.leave(to: left.count - 1)
      }
    }
    return count
  }
}
