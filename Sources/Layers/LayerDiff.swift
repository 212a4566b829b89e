package import EngineErrors
import LinuxSystem
package import SystemPackage

/// What happened to a file of a container against its image.
package struct LayerChange: Hashable, Sendable {
  package enum Kind: Sendable { case added, modified, deleted }
  /// Absolute, in the container.
  package var path: String
  package var kind: Kind
}

/// The difference that an overlay's upper directory makes.
package enum LayerDiff {
  /// The changes, sorted by path.
  ///
  /// - Parameters:
  ///   - lowers: the layers below, the uppermost first.
  ///   - mountPoints: absolute paths that exist only for something to be mounted on them; they are left out where
  ///     they are empty and not in a lower layer.
  package static func changes(
    upper: FilePath, lowers: [FilePath], mountPoints: Set<String> = []
  ) throws(EngineError) -> [LayerChange] {
    do {
      return try collect(upper, LowerLayers(lowers), mountPoints)
    } catch {
      throw EngineError("compare the container with its image", wrapping: error, subject: upper.string)
    }
  }

  private static func collect(_ upper: FilePath, _ below: LowerLayers, _ mountPoints: Set<String>) throws
    -> [LayerChange]
  {
    var changes: [LayerChange] = []
    try UpperWalk(upper, below, mountPoints).visit { entry in
      let kind: LayerChange.Kind =
        try entry.status.isWhiteout ? .deleted : below.contains(entry.path) ? .modified : .added
      changes.append(LayerChange(path: entry.text, kind: kind))
    }
    return changes
  }
}

/// An entry of an upper directory.
struct UpperEntry {
  /// From the root, without a slash in front.
  var path: [UInt8]
  var name: [CChar]
  var parent: FileDescriptor
  var status: FileStatus

  var text: String { "/" + String(decoding: path, as: UTF8.self) }
}

/// Goes through an upper directory, each directory before what is in it, sorted by name: always in the same order.
struct UpperWalk {
  private let root: FilePath
  private let below: LowerLayers
  private let mountPoints: Set<String>

  init(_ root: FilePath, _ below: LowerLayers, _ mountPoints: Set<String>) {
    self.root = root
    self.below = below
    self.mountPoints = mountPoints
  }

  /// No recursion, and few open directories: whoever is in a container makes its tree as deep as the disk allows. Where the way
  /// to an entry is longer than any path, which no archive and no program takes, it is left out.
  ///
  /// - Parameters:
  ///   - body: the entry's directory is open during the call only.
  ///   - leaveOut: gets directories that are not entered to their end, with the names of what is not come to.
  ///   - passOver: gets what is only there for something to be mounted on.
  ///   - leave: gets each directory when all that is in it was visited, the root last.
  func visit(
    _ body: (UpperEntry) throws -> Void,
    leaveOut: (_ path: [UInt8], _ directory: FileDescriptor, _ names: [[CChar]]) throws -> Void = { _, _, _ in
    },
    passOver: (UpperEntry) throws -> Void = { _ in }, leave: (FileDescriptor) throws -> Void = { _ in }
  ) throws {
    let directory = try openDirectory(root)
    var stack = DirectoryStack(root: directory.descriptor, readable: true)
    /// What is still to come of each directory on the way, the next one last.
    var rest = [Array(try directory.descriptor.sortedEntries().reversed())]
    while !rest.isEmpty {
      let depth = rest.count - 1
      guard let entry = rest[depth].popLast() else {
        rest.removeLast()
        stack.leave(to: depth)
        try leave(stack.descriptor())
        continue
      }
      stack.leave(to: depth)
      let parent = try stack.descriptor()
      guard let status = try parent.status(of: entry.cName) else { continue }
      let path = stack.currentPath
      let entryPath = path.isEmpty ? entry.name : path + [UInt8(ascii: "/")] + entry.name
      guard entryPath.count <= EntryPath.longestPath else {
        try leaveOut(path, parent, [entry.cName] + rest[depth].map(\.cName))
        rest[depth] = []
        continue
      }
      let found = UpperEntry(path: entryPath, name: entry.cName, parent: parent, status: status)
      if try isMountPoint(found) || isUntouched(found) {
        try passOver(found)
        continue
      }
      try body(found)
      if status.kind == .directory {
        try stack.enter(entry.cName)
        rest.append(Array(try stack.descriptor().sortedEntries().reversed()))
      }
    }
  }

  private func isMountPoint(_ entry: UpperEntry) throws -> Bool {
    guard mountPoints.contains(entry.text), try !below.contains(entry.path) else { return false }
    switch entry.status.kind {
    case .regular: return entry.status.size == 0
    case .directory: return try holdsOnlyMountPoints(entry)
    default: return false
    }
  }

  /// Whether a directory of the image is here only because a mount point was made in it, which copies it up.
  private func isUntouched(_ entry: UpperEntry) throws -> Bool {
    guard entry.status.kind == .directory, mountPoints.contains(entry.text),
      let lower = try below.find(entry.path)?.status, lower.kind == .directory,
      lower.permissions == entry.status.permissions, lower.owner == entry.status.owner,
      lower.group == entry.status.group
    else { return false }
    return try holdsOnlyMountPoints(entry)
  }

  private func holdsOnlyMountPoints(_ entry: UpperEntry) throws -> Bool {
    let directory = try entry.parent.openDirectoryBeneath(entry.name)
    return try directory.descriptor.sortedEntries().allSatisfy {
      mountPoints.contains(entry.text + "/" + String(decoding: $0.name, as: UTF8.self))
    }
  }
}
