import CLinux
package import EngineErrors
import Glibc
import LinuxSystem
import Synchronization
package import SystemPackage

/// A command that runs in a container besides its first process. It ends with this service, or with `cancel`, unless it is
/// left to itself.
package final class ExecSession: Sendable {
  package let id: String
  /// As the host counts.
  package let pid: Int32
  /// Its standard streams, where they are a terminal and no pipes.
  package let terminal: ExecTerminal?
  private let streams: ExecStreams
  private let status: StatusChannel
  private let ended = Mutex<ExitRecord?>(nil)
  /// Whether the container's processes are held.
  private let isHeld: @Sendable () -> Bool

  init(
    id: String, pid: Int32, streams: ExecStreams, status: StatusChannel,
    isHeld: @escaping @Sendable () -> Bool
  ) throws(SystemError) {
    self.id = id
    self.pid = pid
    self.isHeld = isHeld
    self.streams = streams
    terminal = try streams.takeTerminal()
    self.status = status
  }

  /// What the command writes, each for one reader; nil with a terminal.
  package var stdout: ExecOutput? { streams.stdout.map { ExecOutput(self, $0) } }
  package var stderr: ExecOutput? { streams.stderr.map { ExecOutput(self, $0) } }

  /// Writes to its standard input, where that is a pipe that was asked for. Waits while the command reads nothing, also when it
  /// has ended and has left somebody behind who has the pipe.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled; `Errno` from write(2), `brokenPipe` where nobody has it.
  package func write(_ bytes: [UInt8]) async throws { try await streams.stdin?.writeAsItFits(bytes) }

  /// Not while `write` is at work.
  package func closeStdin() { streams.closeStdin() }

  /// The next output on the terminal; nil when all was read that was written before the command's end. What it has left
  /// behind may write on, to nobody.
  ///
  /// - Throws: `cancelled` as soon as the task is cancelled.
  package func terminalOutput() async throws(EngineError) -> [UInt8]? {
    guard let terminal else { return nil }
    do {
      while true {
        let isOver = hasEnded
        guard let bytes = try terminal.readAvailable() else { return nil }
        if !bytes.isEmpty { return bytes }
        if isOver { return nil }
        try await DescriptorWatcher.shared.readable(terminal.master, status.descriptor)
      }
    } catch {
      throw EngineError("read the terminal of a command in container \(id)", wrapping: error, subject: id)
    }
  }

  /// Whether there is word of the command's end.
  var hasEnded: Bool { ended.withLock { $0 != nil } || status.descriptor.isReadable }

  /// Waits until one of its pipes can be read, or there is word of the command's end.
  func readable(_ pipe: FileDescriptor) async throws {
    try await DescriptorWatcher.shared.readable(pipe, status.descriptor)
  }

  /// Waits for the command's end. Can be called again, not at once by two tasks.
  ///
  /// - Throws: `cancelled` as soon as the task is cancelled; the command goes on.
  package func wait() async throws(EngineError) -> ExitRecord {
    do {
      if let record = ended.withLock({ $0 }) { return record }
      try await DescriptorWatcher.shared.readable(status.descriptor)
      let record = try receiveEnd()
      ended.withLock { $0 = record }
      return record
    } catch {
      throw EngineError("wait for a command in container \(id)", wrapping: error, subject: id)
    }
  }

  /// Leaves the command to itself: it ends as it likes or with the container, and nobody is told. What it writes from now on is
  /// read by its shim and goes nowhere; a terminal stays, with nobody at its keys. Of the session only `closeStdin` is of
  /// use after this.
  package func leave() throws(EngineError) {
    let outputs = [terminal?.master, streams.stdout, streams.stderr].compactMap { $0?.rawValue }
    do {
      try call("sendmsg") { clinux_send_descriptors(status.descriptor.rawValue, outputs, outputs.count) }
    } catch {
      // One that has ended meanwhile needs nobody.
      if error.errno == .brokenPipe || error.errno == .connectionReset { return }
      throw EngineError("leave a command in container \(id)", error)
    }
  }

  /// Kills the command with its session and its descendants, as far as they can be found without a cgroup, and waits for
  /// its end; in a paused container until it is sure to do nothing more. Nothing happens to one that has ended.
  @discardableResult
  package func cancel() async throws(EngineError) -> ExitRecord {
    if let record = ended.withLock({ $0 }) { return record }
    do {
      let hasEnded = try await onBlockingThread("exec-kill") { [pid, status, isHeld] in
        // The shim has not reported the end, so it has not reaped the command, and the number is still its own.
        var entry = pollfd(fd: status.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        if poll(&entry, 1, 0) == 0 { ProcessTree.kill(leader: pid) }
        // v1's freezer keeps even what is killed, until it is thawed, and then it ends without another step.
        while poll(&entry, 1, 100) == 0 { if isHeld() { return false } }
        return true
      }
      if !hasEnded {
        return ExitRecord(status: .signalled(signal: SIGKILL), at: clinux_now(), shimLost: false)
      }
    } catch {
      throw EngineError("kill a command in container \(id)", wrapping: error, subject: id)
    }
    return try await wait()
  }

  private func receiveEnd() throws -> ExitRecord {
    guard let report = try status.receive(), report.kind == CLINUX_REPORT_ENDED.rawValue else {
      // The kernel killed the command with its shim.
      return ExitRecord(status: .signalled(signal: SIGKILL), at: clinux_now(), shimLost: true)
    }
    return ExitRecord(
      status: ExitRecord.Status(WaitStatus(rawValue: report.error)), at: report.time, shimLost: false)
  }
}
