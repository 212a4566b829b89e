import CLinux

/// The control groups that a process is to be in, from the file `groups` of the run directory, which a service has written.
///
/// In v2's the process is made. Into v1's it is moved by this process while it mounts: each move waits for the kernel's RCU, ten
/// milliseconds or so, and the process waits for the word in front of the operations that take its privilege away.
struct Groups {
  private static var most: Int { 16 }
  private static var cgroupNamespace: UInt64 { 0x0200_0000 }

  /// The directory in v2's hierarchy, or -1.
  private(set) var unified: CInt = -1
  /// Open for writing: cgroup.procs in each of v1's hierarchies.
  private var legacy: UnsafeMutablePointer<CInt>?
  private var count = 0
  /// Where the process waits for this one.
  private var word: (readEnd: CInt, writeEnd: CInt) = (-1, -1)

  var isEmpty: Bool { unified < 0 && count == 0 }

  /// None.
  init() {}

  /// - Parameter directory: the run directory, with a slash at its end, or nothing for the working directory.
  init(in directory: CString) throws(Failure) {
    var path = PathText()
    path.add(string: directory)
    path.add("groups")
    let file = clinux_open(path.cString, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0)
    guard file >= 0 else { return }
    let capacity = 16384
    let text = UnsafeMutablePointer<CChar>.allocate(capacity: capacity)
    let length = readFully(file, text, capacity - 1)
    _ = CLinux.close(file)
    defer {
      text.deallocate()
      path.deallocate()
    }
    var start = 0
    for index in 0..<length where text[index] == 0x0A {
      text[index] = 0
      try take(line: text + start, &path)
      start = index + 1
    }
    guard count > 0 else { return }
    let pipe = try Pipe()
    word = (pipe.readEnd, pipe.writeEnd)
  }

  private mutating func take(line: UnsafeMutablePointer<CChar>, _ path: inout PathText) throws(Failure) {
    // `v2 memory,pids /sys/fs/cgroup/…`; the directory may have spaces in it.
    guard line[0] == 0x76, let names = strchr(line, 0x20), let place = strchr(names + 1, 0x20) else { return }
    if line[1] == 0x32 {
      unified = try check(
        CLINUX_STEP_JOIN_GROUP, clinux_open(place + 1, O_DIRECTORY | O_CLOEXEC, 0))
      return
    }
    guard count < Self.most else { throw Failure(CLINUX_STEP_REQUEST, E2BIG) }
    let list = legacy ?? .allocate(capacity: Self.most)
    legacy = list
    path.clear()
    path.add(string: place + 1)
    path.add("/cgroup.procs")
    list[count] = try check(CLINUX_STEP_JOIN_GROUP, clinux_open(path.cString, O_WRONLY | O_CLOEXEC, 0))
    count += 1
  }

  /// Those of a new process. A cgroup namespace begins where its maker is, so that one is for the process itself to make,
  /// once it is in its group.
  func namespaces(_ wanted: UInt64) -> UInt64 { isEmpty ? wanted : wanted & ~Self.cgroupNamespace }

  /// Runs in the new process: what it has to know of its groups.
  func tell(_ child: inout Child, _ namespaces: UInt64) {
    if isEmpty { return }
    child.groupWord = word.readEnd
    child.makesGroupNamespace = namespaces & Self.cgroupNamespace != 0
  }

  /// Moves a process into v1's groups and lets it go on.
  func join(_ pid: pid_t) throws(Failure) {
    guard let legacy, count > 0 else { return }
    var text = PathText()
    defer { text.deallocate() }
    text.add(number: UInt64(pid))
    for index in 0..<count {
      if write(legacy[index], text.cString, text.count) == text.count { continue }
      // One that has failed and ended says so itself.
      if clinux_errno() != ESRCH { throw Failure(CLINUX_STEP_JOIN_GROUP) }
    }
    _ = write(word.writeEnd, text.cString, 1)
  }

  /// In both processes; in the new one, all is close-on-exec.
  mutating func close() {
    if unified >= 0 { _ = CLinux.close(unified) }
    for index in 0..<count { _ = CLinux.close(legacy.unsafelyUnwrapped[index]) }
    legacy?.deallocate()
    if word.readEnd >= 0 {
      _ = CLinux.close(word.readEnd)
      _ = CLinux.close(word.writeEnd)
    }
    unified = -1
    legacy = nil
    count = 0
    word = (-1, -1)
  }
}

extension Child {
  /// The shim has put this process into its groups, or does so now.
  mutating func awaitGroups() throws(Failure) {
    if groupWord >= 0 {
      var byte: UInt8 = 0
      if readFully(groupWord, &byte, 1) != 1 { throw Failure(CLINUX_STEP_JOIN_GROUP, ECANCELED) }
      _ = close(groupWord)
      groupWord = -1
    }
    if makesGroupNamespace {
      makesGroupNamespace = false
      try check(CLINUX_STEP_UNSHARE, clinux_unshare(0x0200_0000))
    }
  }
}
