import CLinux
import Glibc
package import SystemPackage

/// What a file or a directory itself takes up on the disk, in bytes, without what is beneath it; 0 where there is nothing.
///
/// - Throws: `SystemError`.
package func ownDiskUsage(of path: FilePath) throws(SystemError) -> Int64 {
  try ownStatus(of: path)?.bytesOnDisk ?? 0
}

private func ownStatus(of path: FilePath) throws(SystemError) -> FileStatus? {
  var status = stat()
  guard lstat(path.string, &status) == 0 else {
    let error = SystemError("lstat", Errno(rawValue: errno), on: path.string)
    if error.errno == .noSuchFileOrDirectory { return nil }
    throw error
  }
  return FileStatus(status)
}

/// What a file, or a directory with all that is beneath it, takes up on the disk, in bytes, as du(1) counts: by blocks, with a
/// file of several names once. What goes meanwhile is not counted.
///
/// - Parameters:
///   - except: paths beneath it that are not counted, with what is beneath them.
///   - isCancelled: is asked at each directory.
/// - Throws: `SystemError`, `CancellationError`.
package func diskUsage(
  of path: FilePath, except: Set<FilePath> = [], isCancelled: () -> Bool = { false }
) throws -> Int64 {
  guard let status = try ownStatus(of: path) else { return 0 }
  let own = status.bytesOnDisk
  guard status.kind == .directory else { return own }
  let root: OwnedDescriptor
  do throws(SystemError) {
    root = try openDirectory(path)
  } catch {
    if error.errno == .noSuchFileOrDirectory { return own }
    throw error
  }
  // A container can make its tree deeper than any path reaches.
  var count = UsageCount(stack: DirectoryStack(root: root.descriptor, readable: true, limit: .max))
  count.except = Set(except.map { Array($0.string.utf8.dropFirst(path.string.utf8.count + 1)) })
  try count.addBelow(isCancelled)
  return own + count.bytes
}

private struct UsageCount: ~Copyable {
  var stack: DirectoryStack
  var bytes: Int64 = 0
  /// By their way from the root.
  var except: Set<[UInt8]> = []
  /// Files of several names that are counted.
  var counted: Set<FileIdentity> = []

  init(stack: consuming DirectoryStack) { self.stack = stack }

  /// Counts what is beneath the stack's position. No recursion: an image's tree may be deeper than a thread's stack.
  mutating func addBelow(_ isCancelled: () -> Bool) throws {
    var ways: [(depth: Int, name: [CChar])] = []
    try addEntries(&ways)
    while let way = ways.popLast() {
      if isCancelled() { throw CancellationError() }
      stack.leave(to: way.depth)
      do throws(SystemError) {
        try stack.enter(way.name)
      } catch {
        if error.errno == .noSuchFileOrDirectory { continue }
        throw error
      }
      try addEntries(&ways)
    }
  }

  private mutating func addEntries(_ ways: inout [(depth: Int, name: [CChar])]) throws {
    let directory = try stack.descriptor()
    let depth = stack.depth
    var found: Int64 = 0
    var linked: [(FileIdentity, Int64)] = []
    let way = except.isEmpty ? [] : stack.currentPath
    let except = except
    do {
      try directory.forEachEntry { name, _ in
        if !except.isEmpty, except.contains((way.isEmpty ? [] : way + [UInt8(ascii: "/")]) + text(of: name)) {
          return
        }
        guard let status = try directory.status(of: name) else { return }
        if status.kind == .directory {
          ways.append((depth, text(of: name).cString))
        } else if status.linkCount > 1 {
          linked.append((status.identity, status.bytesOnDisk))
          return
        }
        found += status.bytesOnDisk
      }
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      // Removed while it was open (getdents64(2)).
    }
    bytes += found
    for (file, size) in linked where counted.insert(file).inserted { bytes += size }
  }
}

private func text(of name: UnsafePointer<CChar>) -> [UInt8] {
  UnsafeBufferPointer(start: name, count: strlen(name)).map { UInt8(bitPattern: $0) }
}

extension FileStatus {
  /// What its blocks take up.
  package var bytesOnDisk: Int64 { blocks * 512 }
}

/// Whether nothing more can be written where a path is (statvfs(3)).
///
/// - Parameter isPrivileged: whether what is kept for root may be used.
package func isDiskFull(at path: FilePath, isPrivileged: Bool) throws(SystemError) -> Bool {
  var space = statvfs()
  try call("statvfs", on: path.string) { statvfs(path.string, &space) }
  // Some file systems keep the last blocks for themselves.
  let blocks = isPrivileged ? space.f_bfree : space.f_bavail
  let files = isPrivileged ? space.f_ffree : space.f_favail
  return blocks < 16 || (space.f_files > 0 && files == 0)
}
