import CLinux
import Glibc
package import SystemPackage

/// A position in the tree beneath one directory, with open descriptors for the way down to it.
///
/// Archives and walks come back to the same few directories again and again, so each level is opened once
/// while it is on the way. However deep the tree, only the deepest levels are kept open: what is needed
/// again of the others is opened anew from the root, which openat2(2) does in one call.
///
/// No symbolic link is ever followed: `enter` on one throws `SystemError` with `tooManySymbolicLinkLevels`.
package struct DirectoryStack: ~Copyable {
  private struct Level {
    /// Where this level's name starts and ends in `path`.
    var start: Int
    var end: Int
    /// -1 where it is not open now.
    var descriptor: CInt
  }

  private static let keptOpen = 32
  /// The kernel takes no path of more bytes (PATH_MAX without the NUL).
  package static let longestPath = 4095

  private let root: CInt
  private let flags: CInt
  private let limit: Int
  private var path: [UInt8] = []
  private var levels: [Level] = []
  private var name = [CChar](repeating: 0, count: longestPath + 1)

  /// - Parameters:
  ///   - root: stays the caller's, and must stay open as long as the stack lives.
  ///   - readable: whether the descriptors serve for reading entries and attributes too, and not only as
  ///     the start of calls (O_PATH), which is cheaper.
  ///   - limit: how long the way from the root may become, in bytes. A tree that grows from within, a directory
  ///     at a time, may be deeper than any path the kernel takes.
  package init(root: FileDescriptor, readable: Bool, limit: Int = longestPath) {
    self.root = root.rawValue
    self.limit = limit
    flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | (readable ? O_RDONLY : CInt(CLINUX_O_PATH))
  }

  deinit {
    for level in levels where level.descriptor >= 0 { close(level.descriptor) }
  }

  /// How many levels below the root; 0 is the root itself.
  package var depth: Int { levels.count }

  /// The way from the root, components separated by single slashes; empty for the root.
  package var currentPath: [UInt8] { path }

  /// Whether the component at `level` (0 is the first below the root) has just these bytes.
  package func component(_ level: Int, is bytes: ArraySlice<UInt8>) -> Bool {
    guard level < levels.count else { return false }
    let component = levels[level]
    guard component.end - component.start == bytes.count else { return false }
    return path[component.start..<component.end].elementsEqual(bytes)
  }

  /// The directory at the current position; valid until the position changes.
  ///
  /// - Throws: `SystemError` when it has to be opened again and that fails.
  package mutating func descriptor() throws(SystemError) -> FileDescriptor {
    guard let last = levels.indices.last else { return FileDescriptor(rawValue: root) }
    if levels[last].descriptor < 0 { levels[last].descriptor = try reopen(last) }
    return FileDescriptor(rawValue: levels[last].descriptor)
  }

  /// Opens a level by its way from the root, in as many steps as the kernel takes paths.
  private mutating func reopen(_ last: Int) throws(SystemError) -> CInt {
    var (start, descriptor) = (0, root)
    while true {
      var end = levels[last].end
      if end - start > Self.longestPath {
        let reached = levels[..<last].last { $0.end - start <= Self.longestPath && $0.end > start }
        guard let reached else { throw SystemError("openat2", .fileNameTooLong) }
        end = reached.end
      }
      let parent = descriptor
      defer { if parent != root { close(parent) } }
      let next = try open(from: parent, path[start..<end])
      if end == levels[last].end { return next }
      (start, descriptor) = (end + 1, next)
    }
  }

  /// Goes down into the directory `component`, which is one component of a path.
  ///
  /// - Throws: `SystemError`; the position is then unchanged.
  package mutating func enter(_ component: ArraySlice<UInt8>) throws(SystemError) {
    let start = path.isEmpty ? 0 : path.count + 1
    guard component.count <= Self.longestPath, start + component.count <= limit else {
      throw SystemError(
        "openat2", .fileNameTooLong, on: String(decoding: component.prefix(64), as: UTF8.self))
    }
    let parent = try descriptor().rawValue
    let opened = try open(from: parent, component)
    let oldest = levels.count - Self.keptOpen
    if oldest >= 0, levels[oldest].descriptor >= 0 {
      close(levels[oldest].descriptor)
      levels[oldest].descriptor = -1
    }
    if !path.isEmpty { path.append(UInt8(ascii: "/")) }
    path.append(contentsOf: component)
    levels.append(Level(start: start, end: path.count, descriptor: opened))
  }

  /// Goes down into the directory of this name, given as C has it.
  package mutating func enter(_ name: [CChar]) throws(SystemError) {
    try enter(name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }[...])
  }

  /// Goes up to `depth`, which must not be below the current position.
  package mutating func leave(to depth: Int) {
    while levels.count > depth, let level = levels.popLast() {
      if level.descriptor >= 0 { close(level.descriptor) }
    }
    path.removeLast(path.count - (levels.last?.end ?? 0))
  }

  private mutating func open(
    from directory: CInt, _ bytes: ArraySlice<UInt8>
  ) throws(SystemError) -> CInt {
    var length = 0
    for byte in bytes {
      name[length] = CChar(bitPattern: byte)
      length += 1
    }
    name[length] = 0
    return try call(
      "openat2", on: name.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } }
    ) {
      clinux_openat2(
        directory, name, UInt64(flags), 0,
        UInt64(CLINUX_RESOLVE_BENEATH | CLINUX_RESOLVE_NO_SYMLINKS | CLINUX_RESOLVE_NO_MAGICLINKS))
    }
  }
}
