import EngineErrors
import LinuxSystem
import SystemPackage

/// Gives a layer what it needs of those below it: implied directories what they have there of their own, and links into lower
/// layers a copy of the file.
func resolveDependencies(
  _ dependencies: ParentDependencies, in directory: FilePath, _ lowers: [FilePath]
) throws {
  let below = try LowerLayers(lowers)
  let root = try openDirectory(directory)
  var layer = DirectoryStack(root: root.descriptor, readable: true)
  for (path, target) in dependencies.links {
    guard let found = try below.find(target), found.status.kind == .regular else {
      throw EngineError.refused(
        "the layer links \(EntryPath.text(path)) to \(EntryPath.text(target)), which is nowhere",
        subject: EntryPath.text(path))
    }
    let place = try EntryPath(path)
    guard let last = place.components.last, let parent = try layer.find(place.parentPath) else { continue }
    let time = try parent.status().modified
    try found.copy(to: last.cString, in: parent)
    try parent.setTimes(time)
  }
  for path in dependencies.impliedDirectories {
    guard let found = try below.find(path), found.status.kind == .directory else { continue }
    // What an entry replaced by something else later needs nothing.
    guard let target = try layer.find(path) else { continue }
    let source = try found.open()
    try target.takeAfter(source.descriptor, found.status)
  }
}

extension LowerLayers.Entry {
  /// Makes a regular file like this one, its holes too.
  fileprivate func copy(to base: [CChar], in parent: FileDescriptor) throws {
    let source = try open()
    let target = try parent.createFile(base, permissions: status.permissions & 0o777)
    let content = FileContent()
    _ = try content.open(source.descriptor, status)
    while let (bytes, offset) = try content.nextBlock() {
      try target.descriptor.writeFully(bytes, at: offset)
    }
    try target.descriptor.setLength(status.size)
    // The directory may hand down what it has.
    try target.descriptor.disinherit(permissions: 0)
    try target.descriptor.takeAfter(source.descriptor, status)
  }
}

extension FileDescriptor {
  /// Gives a file or directory whose it is, its modes, attributes and time.
  fileprivate func takeAfter(_ source: FileDescriptor, _ status: FileStatus) throws {
    try setOwner(status.owner, group: status.group)
    try setPermissions(status.permissions)
    // Behind the owner, with whom file capabilities go.
    for name in try source.extendedAttributeNames()
    where FileAttributes(String(decoding: name, as: UTF8.self)) == .own {
      guard let value = try source.extendedAttribute(name.cString) else { continue }
      try value.withUnsafeBytes { try setExtendedAttribute(name.cString, $0) }
    }
    try setTimes(status.modified)
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
