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
    let target = try layer.go(to: path)
    try target.setOwner(found.status.owner, group: found.status.group)
    try target.setPermissions(found.status.permissions)
    try target.setTimes(found.status.modified)
  }
  for (path, target) in dependencies.links {
    guard let found = try LowerEntry.find(target, lowers), found.status.kind == .regular else {
      throw EngineError(
        .corrupt, "the layer links \(path) to \(target), which is nowhere", subject: path,
        hint: "the image is broken or hostile")
    }
    let components = try EntryPath(Array(path.utf8)).components
    guard let last = components.last else { continue }
    let parent = try layer.go(
      to: components.dropLast().map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/"))
    try found.copy(to: last.cString, in: parent)
  }
}

/// A file or directory of the layers below.
private struct LowerEntry {
  var layer: FilePath
  var path: String
  var status: FileStatus

  /// The uppermost one of that name; nil where there is none, or a layer above has it hidden.
  static func find(_ path: String, _ lowers: [FilePath]) throws -> LowerEntry? {
    let components = try EntryPath(Array(path.utf8)).components
    guard let last = components.last else { return nil }
    let parent = components.dropLast().map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    for layer in lowers {
      let root = try openDirectory(layer)
      var stack = DirectoryStack(root: root.descriptor, readable: false)
      guard let directory = try? stack.go(to: parent) else { continue }
      guard let status = try directory.status(of: last.cString) else { continue }
      return status.isWhiteout ? nil : LowerEntry(layer: layer, path: path, status: status)
    }
    return nil
  }

  func copy(to base: [CChar], in parent: FileDescriptor) throws {
    let root = try openDirectory(layer)
    let path = try EntryPath(Array(path.utf8)).components.joined(separator: [UInt8(ascii: "/")])
    let source = try root.descriptor.openBeneath(Array(path).cString, flags: 0)
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

extension DirectoryStack {
  /// Goes to a directory by its path from the root.
  mutating func go(to path: String) throws -> FileDescriptor {
    leave(to: 0)
    for component in path.split(separator: "/") { try enter(Array(component.utf8).cString) }
    return try descriptor()
  }
}
