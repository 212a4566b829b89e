import EngineErrors
import LinuxSystem
import SystemPackage

/// Gives a layer what it needs of those below it: implied directories the metadata that they have there, and links
/// into lower layers a copy of the file.
func resolveDependencies(
  _ dependencies: ParentDependencies, in directory: FilePath, _ lowers: [FilePath], _ options: UnpackOptions
) throws {
  let root = try openDirectory(directory)
  var layer = DirectoryStack(root: root.descriptor, readable: true)
  for path in dependencies.impliedDirectories {
    guard let found = try LowerEntry.find(path, lowers), found.status.kind == .directory else { continue }
    // What an entry replaced by something else later needs nothing.
    guard let target = try layer.find(path) else { continue }
    try target.setOwner(found.status.owner, group: found.status.group)
    try target.setPermissions(found.status.permissions)
    try target.setTimes(found.status.modified)
  }
  for (path, target) in dependencies.links {
    guard let found = try LowerEntry.find(target, lowers), found.status.kind == .regular else {
      throw EngineError(
        .corrupt, "the layer links \(EntryPath.text(path)) to \(EntryPath.text(target)), which is nowhere",
        subject: EntryPath.text(path),
        hint: "the image is broken or hostile")
    }
    let place = try EntryPath(path)
    guard let last = place.components.last, let parent = try layer.find(place.parentPath) else { continue }
    try found.copy(to: last.cString, in: parent)
  }
}

/// A file or directory of the layers below.
private struct LowerEntry {
  var layer: FilePath
  var path: [UInt8]
  var status: FileStatus

  /// The uppermost one of that name; nil where there is none, or a layer above has it hidden.
  static func find(_ path: [UInt8], _ lowers: [FilePath]) throws -> LowerEntry? {
    let place = try EntryPath(path)
    guard let last = place.components.last else { return nil }
    for layer in lowers {
      let root = try openDirectory(layer)
      var stack = DirectoryStack(root: root.descriptor, readable: false)
      guard let directory = try stack.find(place.parentPath) else { continue }
      guard let status = try directory.status(of: last.cString) else { continue }
      return status.isWhiteout ? nil : LowerEntry(layer: layer, path: path, status: status)
    }
    return nil
  }

  func copy(to base: [CChar], in parent: FileDescriptor) throws {
    let root = try openDirectory(layer)
    let source = try root.descriptor.openBeneath(EntryPath(path).joined.cString, flags: 0)
    let target = try parent.createFile(base, permissions: status.permissions & 0o777)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    defer { buffer.deallocate() }
    while true {
      let count = try source.descriptor.read(into: buffer)
      if count == 0 { break }
      try target.descriptor.writeFully(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    try target.descriptor.setOwner(status.owner, group: status.group)
    try target.descriptor.setPermissions(status.permissions)
    try target.descriptor.setTimes(status.modified)
  }
}

extension EntryPath {
  fileprivate var parentPath: [UInt8] { Array(parent.joined(separator: [UInt8(ascii: "/")])) }
}

extension DirectoryStack {
  /// Goes to a directory by its path from the root; nil where there is none.
  fileprivate mutating func find(_ path: [UInt8]) throws -> FileDescriptor? {
    leave(to: 0)
    for component in path.split(separator: UInt8(ascii: "/")) {
      do throws(SystemError) {
        try enter(component)
      } catch {
        switch error.errno {
        case .noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels: return nil
        default: throw error
        }
      }
    }
    return try descriptor()
  }
}
