import CLinux

/// Finding and making targets inside the root. The image decides what is there, so every walk is openat2 with
/// RESOLVE_IN_ROOT, and what was found is used by descriptor from then on.
extension Child {
  /// An O_PATH descriptor of what is there; the caller closes it.
  mutating func open(_ target: CString, refuseSymlinks: Bool = false) throws(Failure) -> CInt {
    try check(
      CLINUX_STEP_OPENAT2,
      clinux_open_in_root(try rootDescriptor(), target, CLINUX_O_PATH, 0, refuseSymlinks ? 1 : 0))
  }

  /// As `open`, and makes the missing directories, or the directories and an empty file at the end. Where a link of the
  /// image's leads to nothing, what it leads to is made, in the root.
  mutating func openOrMake(
    _ target: CString, file: Bool = false, refuseSymlinks: Bool = false
  ) throws(Failure) -> CInt {
    do throws(Failure) {
      return try open(target, refuseSymlinks: refuseSymlinks)
    } catch  where error.error == ENOENT {
      if file { try makeFile(target) } else { try makeDirectories(target, mode: 0o755) }
      return try open(target, refuseSymlinks: refuseSymlinks)
    } catch {
      throw error
    }
  }

  private mutating func makeFile(_ target: CString, links: Int = 0) throws(Failure) {
    // The path that a link made is gone after this call, and must not be what the next one is compared with.
    defer { if links > 0 { forgetParent() } }
    let (directory, name) = try openParent(of: target)
    let made = clinux_openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    if made >= 0 {
      _ = close(made)
      return
    }
    guard clinux_errno() == EEXIST else { throw Failure(CLINUX_STEP_OPENAT2) }
    let there = try followed(name, in: directory, of: target, strlen(target) - strlen(name), links)
    try makeFile(there.cString, links: links + 1)
  }

  /// Where a link leads: the path up to it, which `length` bytes of `path` are, and what it says.
  private func followed(
    _ name: CString, in directory: CInt, of path: CString, _ length: Int, _ links: Int
  ) throws(Failure) -> PathText {
    if links >= 8 { throw Failure(CLINUX_STEP_OPENAT2, ELOOP) }
    let content = UnsafeMutablePointer<CChar>.allocate(capacity: 4096)
    let count = readlinkat(directory, name, content, 4095)
    // Something else has that name: what was to be made cannot be.
    if count <= 0 { throw Failure(CLINUX_STEP_OPENAT2, EEXIST) }
    var there = PathText()
    if content[0] != slash { there.add(string: path, count: length) }
    there.add(string: content, count: count)
    if there.isTooLong { throw Failure(CLINUX_STEP_OPENAT2, ENAMETOOLONG) }
    return there
  }

  /// Makes what is missing of a directory's path, the last one with `mode`, those on the way with 0755.
  mutating func makeDirectories(_ target: CString, mode: UInt32, links: Int = 0) throws(Failure) {
    let length = lengthWithoutSlashes(target, strlen(target))
    var prefix = PathText()
    var index = 0
    while index < length {
      while index < length, target[index] == slash {
        prefix.add(byte: slash)
        index += 1
      }
      let start = prefix.count
      var name = PathText()
      while index < length, target[index] != slash {
        prefix.add(byte: target[index])
        name.add(byte: target[index])
        index += 1
      }
      if prefix.count == start { break }
      if prefix.isTooLong { throw Failure(CLINUX_STEP_MKDIR, ENAMETOOLONG) }
      let there = clinux_open_in_root(try rootDescriptor(), prefix.cString, CLINUX_O_PATH | O_DIRECTORY, 0, 0)
      if there >= 0 {
        _ = close(there)
        continue
      }
      guard clinux_errno() == ENOENT else { throw Failure(CLINUX_STEP_OPENAT2) }
      let (directory, _) = try openParent(of: prefix.cString, keep: false)
      defer { _ = close(directory) }
      if mkdirat(directory, name.cString, mode_t(index == length ? mode : 0o755)) == 0 { continue }
      guard clinux_errno() == EEXIST else { throw Failure(CLINUX_STEP_MKDIR) }
      var led = try followed(name.cString, in: directory, of: prefix.cString, start, links)
      led.add(string: target + index, count: length - index)
      if led.isTooLong { throw Failure(CLINUX_STEP_MKDIR, ENAMETOOLONG) }
      try makeDirectories(led.cString, mode: mode, links: links + 1)
      return
    }
  }

  /// The directory that holds a target, made if missing, and the target's last component.
  ///
  /// - Parameter keep: the descriptor stays the child's and serves the next target in the same directory.
  mutating func openParent(
    of target: CString, keep: Bool = true
  ) throws(Failure) -> (directory: CInt, name: CString) {
    let length = strlen(target)
    var nameStart = length
    while nameStart > 0, target[nameStart - 1] != slash { nameStart -= 1 }
    let directoryLength = lengthWithoutSlashes(target, nameStart)
    let name = target + nameStart
    if name[0] == 0 { throw Failure(CLINUX_STEP_OPENAT2, EISDIR) }
    if keep, parent >= 0, let parentPath, parentLength == directoryLength,
      memcmp(parentPath, target, directoryLength) == 0
    {
      return (parent, name)
    }
    var path = PathText()
    path.add("/")
    path.add(string: target, count: directoryLength)
    if path.isTooLong { throw Failure(CLINUX_STEP_OPENAT2, ENAMETOOLONG) }
    var directory = clinux_open_in_root(try rootDescriptor(), path.cString, CLINUX_O_PATH | O_DIRECTORY, 0, 0)
    if directory < 0 && clinux_errno() == ENOENT {
      try makeDirectories(path.cString, mode: 0o755)
      directory = clinux_open_in_root(try rootDescriptor(), path.cString, CLINUX_O_PATH | O_DIRECTORY, 0, 0)
    }
    try check(CLINUX_STEP_OPENAT2, directory)
    if keep {
      forgetParent()
      parent = directory
      parentPath = target
      parentLength = directoryLength
    }
    return (directory, name)
  }

  /// To be called when something is mounted: the same path may then be another directory.
  mutating func forgetParent() {
    if parent >= 0 { _ = close(parent) }
    parent = -1
  }

  mutating func makeNode(_ fields: inout Fields) throws(Failure) {
    let target = try fields.takeString()
    let mode = UInt32(truncatingIfNeeded: try fields.takeNumber())
    let major = UInt32(truncatingIfNeeded: try fields.takeNumber())
    let minor = UInt32(truncatingIfNeeded: try fields.takeNumber())
    let (directory, name) = try openParent(of: target)
    if clinux_make_node(directory, name, mode, major, minor) == 0 { return }
    // A root without a fresh /dev: what is there may be the image's own, or another thing of that name.
    guard clinux_errno() == EEXIST else { throw Failure(CLINUX_STEP_MKNOD) }
    if clinux_is_device(directory, name, mode, major, minor) != 0 { return }
    try check(CLINUX_STEP_UNLINK, unlinkat(directory, name, 0))
    let user = UInt32(truncatingIfNeeded: try fields.takeNumber())
    let group = UInt32(truncatingIfNeeded: try fields.takeNumber())
    try check(CLINUX_STEP_MKNOD, clinux_make_node(directory, name, mode, major, minor))
    if user != 0 || group != 0 {
      try check(CLINUX_STEP_MKNOD, fchownat(directory, name, user, group, AT_SYMLINK_NOFOLLOW))
    }
  }

  /// Made new: what the image has under that name, a link out or a FIFO perhaps, is removed, not opened.
  mutating func writeFile(_ fields: inout Fields) throws(Failure) {
    let target = try fields.takeString()
    let mode = UInt32(truncatingIfNeeded: try fields.takeNumber())
    let content = try fields.takeBytes()
    let (directory, name) = try openParent(of: target)
    if unlinkat(directory, name, 0) != 0 && clinux_errno() != ENOENT { throw Failure(CLINUX_STEP_UNLINK) }
    let file = try check(
      CLINUX_STEP_OPEN,
      clinux_openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode))
    defer { _ = close(file) }
    try writeAll(file, content)
  }

  func writeAll(_ file: CInt, _ content: UnsafeRawBufferPointer) throws(Failure) {
    var done = 0
    while done < content.count, let start = content.baseAddress {
      done += try check(CLINUX_STEP_WRITE, write(file, start + done, content.count - done))
    }
  }
}

var slash: CChar { 0x2F }

/// The length of a path without the slashes at its end.
private func lengthWithoutSlashes(_ path: CString, _ length: Int) -> Int {
  var length = length
  while length > 0, path[length - 1] == slash { length -= 1 }
  return length
}
