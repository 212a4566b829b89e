import Glibc
package import SystemPackage

/// Removes the entry `name` of `directory` with all that is beneath it, whatever kind it is.
///
/// Nothing is followed: a symbolic link is removed itself, and each directory is opened beneath its
/// parent's descriptor, so that a tree that changes meanwhile leads nowhere else. The depth of the tree
/// costs neither stack nor descriptors. An entry that is not there is no error; after an error part of the
/// tree is left, and a repeat goes on with it.
///
/// - Throws: `SystemError`.
package func removeTree(_ name: [CChar], in directory: FileDescriptor) throws {
  if try removed(name, in: directory) { return }
  try makeSearchable(name, in: directory)
  let top = try directory.openDirectoryBeneath(name)
  var emptier = TreeEmptier(top: top.descriptor)
  try removeEmptied(name, in: directory, emptying: { try emptier.run() })
}

/// Removes the tree at `path`; the way to it may have symbolic links, its last component may not.
package func removeTree(_ path: FilePath) throws {
  guard let name = path.lastComponent else {
    throw SystemError("unlinkat", .invalidArgument, on: path.string)
  }
  let parent = path.removingLastComponent()
  let directory: OwnedDescriptor
  do throws(SystemError) {
    directory = try openDirectory(parent.isEmpty ? "." : parent)
  } catch {
    if error.errno == .noSuchFileOrDirectory { return }
    throw error
  }
  try removeTree(
    name.withPlatformString { Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1)) },
    in: directory.descriptor)
}

/// Empties a directory. What lies deeper than `levelsAtOnce` is moved up to the top first and emptied from
/// there in a later round.
private struct TreeEmptier {
  private static let levelsAtOnce = 64

  let top: FileDescriptor
  private var moved = 0
  private var isEmpty = false

  init(top: FileDescriptor) { self.top = top }

  mutating func run() throws {
    repeat {
      let before = moved
      try empty(top, level: 0)
      isEmpty = moved == before
    } while !isEmpty
  }

  private mutating func empty(_ directory: FileDescriptor, level: Int) throws {
    var directories: [[CChar]] = []
    try directory.forEachEntry { name, kind in
      if kind != .directory {
        do throws(SystemError) {
          try directory.removeFile(name)
          return
        } catch {
          if error.errno == .noSuchFileOrDirectory { return }
          // Only a file system that tells no kinds leads here with a directory.
          guard kind == .unknown, error.errno == .isDirectory else { throw error }
        }
      }
      directories.append(Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1)))
    }
    for name in directories {
      if isRemovedEmpty(name, in: directory) { continue }
      try makeSearchable(name, in: directory)
      if level < Self.levelsAtOnce {
        let child = try directory.openDirectoryBeneath(name)
        try removeEmptied(name, in: directory, emptying: { try empty(child.descriptor, level: level + 1) })
      } else {
        try moveToTop(name, from: directory)
      }
    }
  }

  private mutating func moveToTop(_ name: [CChar], from directory: FileDescriptor) throws {
    while true {
      moved += 1
      do throws(SystemError) {
        try directory.rename(name, to: ".removing-\(moved)", in: top)
        return
      } catch {
        if error.errno != .fileExists { throw error }
      }
    }
  }
}

/// Removes an entry that is no directory; answers false where it is one.
private func removed(_ name: [CChar], in directory: FileDescriptor) throws(SystemError) -> Bool {
  do throws(SystemError) {
    try directory.removeFile(name)
  } catch {
    switch error.errno {
    case .noSuchFileOrDirectory: return true
    case .isDirectory: return false
    // What POSIX has unlink(2) say of a directory, and what some file systems say.
    case .notPermitted where try directory.status(of: name)?.kind == .directory: return false
    default: throw error
    }
  }
  return true
}

/// Removes a directory that is empty, as many are, without a look into it; answers false where it may not be.
private func isRemovedEmpty(_ name: [CChar], in directory: FileDescriptor) -> Bool {
  do throws(SystemError) {
    try directory.removeEmptyDirectory(name)
    return true
  } catch {
    // Whatever is in the way shows again when it has been emptied.
    return error.errno == .noSuchFileOrDirectory
  }
}

/// Some file systems skip entries when others are removed while they are read, so what is found not to be
/// empty after all is emptied again, a few times.
private func removeEmptied(_ name: [CChar], in directory: FileDescriptor, emptying: () throws -> Void) throws
{
  for attempt in 1... {
    try emptying()
    do throws(SystemError) {
      try directory.removeEmptyDirectory(name)
      return
    } catch {
      switch error.errno {
      case .noSuchFileOrDirectory: return
      case .directoryNotEmpty where attempt < 5: continue
      default: throw error
      }
    }
  }
}

/// An ordinary user may own directories that it may not read or change before it gives itself the
/// permission; root, here or in a user namespace, needs none.
private func makeSearchable(_ name: [CChar], in directory: FileDescriptor) throws(SystemError) {
  guard geteuid() != 0, let status = try directory.status(of: name), status.kind == .directory,
    status.permissions & 0o700 != 0o700
  else { return }
  try directory.setPermissions(of: name, 0o700)
}
