import CLinux

/// Takes what the container writes out of its pipes, so that it never waits for a reader of its log.
struct OutputDrain {
  private var stdout: CInt
  private var stderr: CInt
  private var buffer: UnsafeMutableRawPointer?

  init(stdout: CInt, stderr: CInt) {
    self.stdout = stdout
    self.stderr = stderr
  }

  /// Where this fails nothing would ever be read.
  mutating func begin() throws(Failure) {
    buffer = clinux_map_memory(Int(CLINUX_LOG_PAYLOAD))
    if buffer == nil { throw Failure(CLINUX_STEP_PIPE, ENOMEM) }
    // The read ends are other open files than the payload's write ends, which stay blocking.
    _ = clinux_set_nonblocking(stdout)
    _ = clinux_set_nonblocking(stderr)
  }

  /// A terminal has one output, which counts as the standard output.
  mutating func begin(terminal: CInt) { stdout = terminal }

  func addTo(_ poll: inout PollSet) {
    poll.add(stdout, POLLIN)
    poll.add(stderr, POLLIN)
  }

  mutating func drain(_ poll: PollSet, to log: inout OutputLog) {
    if poll.isReady(stdout) { stdout = takeOne(stdout, CLINUX_LOG_STDOUT, &log) }
    if poll.isReady(stderr) { stderr = takeOne(stderr, CLINUX_LOG_STDERR, &log) }
  }

  /// What the pipes hold once the first process is gone. A process outside its pid namespace may hold them open and
  /// write on: no more is taken than the pipes could hold at the exit.
  mutating func drainRest(to log: inout OutputLog) {
    stdout = drainRest(stdout, CLINUX_LOG_STDOUT, &log)
    stderr = drainRest(stderr, CLINUX_LOG_STDERR, &log)
  }

  func releaseMemory() {
    if let buffer { clinux_release_memory(buffer, Int(CLINUX_LOG_PAYLOAD)) }
  }

  /// Closes the pipes and gives the buffer back, for good.
  mutating func finish() {
    if stdout >= 0 { _ = close(stdout) }
    if stderr >= 0 { _ = close(stderr) }
    (stdout, stderr) = (-1, -1)
    if let buffer { clinux_unmap(buffer, Int(CLINUX_LOG_PAYLOAD)) }
    buffer = nil
  }

  /// Answers the pipe, or -1 once it has ended.
  private func drainRest(_ pipe: CInt, _ stream: clinux_log_stream, _ log: inout OutputLog) -> CInt {
    var pipe = pipe
    let capacity = Int(clinux_pipe_capacity(pipe))
    // More than the kernel keeps for a terminal, which is no pipe.
    var left = capacity < 0 ? 1 << 20 : capacity
    while left > 0, pipe >= 0 {
      let count = take(&pipe, stream, &log)
      if count <= 0 { break }
      left -= count
    }
    return pipe
  }

  /// Answers the pipe, or -1 once it has ended.
  private func takeOne(_ pipe: CInt, _ stream: clinux_log_stream, _ log: inout OutputLog) -> CInt {
    var pipe = pipe
    _ = take(&pipe, stream, &log)
    return pipe
  }

  /// One read and one record. Closes the pipe at its end.
  private func take(_ pipe: inout CInt, _ stream: clinux_log_stream, _ log: inout OutputLog) -> Int {
    guard let buffer, pipe >= 0 else { return 0 }
    let count = read(pipe, buffer, Int(CLINUX_LOG_PAYLOAD))
    if count > 0 {
      log.append(stream, buffer, count)
    } else if count == 0 || (clinux_errno() != EAGAIN && clinux_errno() != EINTR) {
      _ = close(pipe)
      pipe = -1
    }
    return count
  }
}
