import CLinux

/// What a container's process has as 0, 1 and 2, and the shim's ends of it: pipes, or a terminal that the process opens.
struct Streams {
  private let theirIn: CInt
  private let theirOut: CInt
  private let theirErr: CInt
  /// The shim's ends; -1 where there is none, and for a terminal until it is there.
  let input: CInt
  let stdout: CInt
  let stderr: CInt
  /// Where the process sends its terminal's master; -1 without one.
  private let console: CInt

  init(_ request: Request) throws(Failure) {
    if request.flags & CLINUX_REQUEST_TERMINAL.rawValue != 0 {
      var ends: (CInt, CInt) = (-1, -1)
      try check(
        CLINUX_STEP_SOCKET,
        withUnsafeMutableBytes(of: &ends) {
          clinux_socket_pair($0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CInt.self))
        })
      // 1 and 2 are this process's own, which are /dev/null, until the terminal takes their place.
      (theirIn, theirOut, theirErr) = (ends.1, 1, 2)
      (input, stdout, stderr) = (-1, -1, -1)
      console = ends.0
    } else {
      let stdinOpen = request.flags & CLINUX_REQUEST_STDIN_OPEN.rawValue != 0
      let stdin = try stdinOpen ? Pipe() : Pipe(readEnd: "/dev/null")
      var output = Pipe.none
      let errors: Pipe
      do throws(Failure) {
        output = try Pipe()
        errors = try Pipe()
      } catch {
        // The same shim tries again.
        stdin.close()
        output.close()
        throw error
      }
      (theirIn, theirOut, theirErr) = (stdin.readEnd, output.writeEnd, errors.writeEnd)
      (input, stdout, stderr) = (stdin.writeEnd, output.readEnd, errors.readEnd)
      console = -1
    }
  }

  /// The process's.
  var theirs: (CInt, CInt, CInt) { (theirIn, theirOut, theirErr) }

  /// In the process itself.
  func run(_ child: consuming Child, _ mounts: HostMounts) -> Never {
    child.run(stdin: theirIn, stdout: theirOut, stderr: theirErr, mounts: mounts)
  }

  /// To the root of the container's user namespace, which then can give them to the payload's user.
  func give(user: UInt32, group: UInt32) {
    for end in [theirIn, theirOut, theirErr] where end > 2 { clinux_give_pipe(end, user, group) }
  }

  func closeTheirs() {
    for end in [theirIn, theirOut, theirErr] where end > 2 { _ = CLinux.close(end) }
  }

  /// All ends, where no process has got any.
  func close() {
    closeTheirs()
    for end in [input, stdout, stderr] where end >= 0 { _ = CLinux.close(end) }
    closeConsole()
  }

  /// Without a terminal having come.
  func closeConsole() {
    if console >= 0 { _ = CLinux.close(console) }
  }

  /// The terminal of a process that has executed its command, and so has sent it; nil where it has none.
  func takeTerminal() -> Terminal? {
    guard console >= 0 else { return nil }
    defer { closeConsole() }
    var master: CInt = -1
    guard clinux_receive_descriptors(console, &master, 1) == 1 else { return nil }
    return Terminal(master: master)
  }
}

/// A terminal's other end, as the shim keeps it.
struct Terminal {
  /// To read from; non-blocking, as its copy is.
  let output: CInt
  /// A copy of it, to write to.
  let input: CInt
  /// Held open, so that the terminal outlasts the moments in which no process of the container's has it open.
  let slave: CInt

  init(master: CInt) {
    _ = clinux_set_nonblocking(master)
    output = master
    input = clinux_dup_above(master, 3)
    slave = clinux_open_slave(master)
  }
}
