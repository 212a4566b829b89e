import CLinux
import Glibc
package import SystemPackage

/// What a program that was run to its end has left.
package struct ProgramResult: Sendable {
  package var status: WaitStatus
  package var output: [UInt8]
  package var errors: [UInt8]
}

/// Runs a small program to its end, with `input` as its standard input; blocks meanwhile.
///
/// - Parameters:
///   - input: at most 4 KiB, which a pipe holds at any time.
///   - limit: of its output and of its errors each, in bytes; more is left out.
///   - patience: the program, with what it started, is killed when it takes longer.
///   - isCancelled: is asked several times a second; then it is killed as well.
/// - Throws: `SystemError` from posix_spawn(3) and pipe2(2); `invalidArgument` for a longer input; `timedOut` or `canceled` for
///   a program that was killed.
package func runProgram(
  _ path: FilePath, arguments: [String], environment: [String], input: [UInt8], limit: Int = 1 << 20,
  patience: Duration, isCancelled: () -> Bool = { false }
) throws -> ProgramResult {
  guard input.count <= 4096 else { throw SystemError("write", .invalidArgument, on: path.string) }
  var open: [FileDescriptor] = []
  defer { for descriptor in open { try? descriptor.close() } }
  func pipe() throws -> (read: FileDescriptor, write: FileDescriptor) {
    let made = try makePipe()
    open += [made.read, made.write]
    return made
  }
  func close(_ descriptor: FileDescriptor) {
    open.removeAll { $0 == descriptor }
    try? descriptor.close()
  }
  let (stdin, stdout, stderr) = (try pipe(), try pipe(), try pipe())

  // It leads a session, and so a process group, of its own.
  let pid = try spawn(
    path, arguments: arguments, environment: environment,
    descriptors: [stdin.read, stdout.write, stderr.write])
  var isReaped = false
  defer {
    if !isReaped {
      kill(-pid, SIGKILL)
      waitpid(pid, nil, 0)
    }
  }
  let process = try ProcessDescriptor(pid: pid)
  for descriptor in [stdin.read, stdout.write, stderr.write] { close(descriptor) }
  // A program that reads nothing, and has ended perhaps, is no failure.
  _ = try? stdin.write.writeAll(input)
  close(stdin.write)

  var taken = [stdout.read: [UInt8](), stderr.read: [UInt8]()]
  func take(_ descriptor: FileDescriptor) throws -> Bool {
    var chunk = [UInt8](repeating: 0, count: 4096)
    let count = try chunk.withUnsafeMutableBytes { try descriptor.read(into: $0) }
    let room = limit - (taken[descriptor]?.count ?? 0)
    taken[descriptor]?.append(contentsOf: chunk.prefix(min(count, room)))
    return count > 0
  }
  let deadline = ContinuousClock.now + patience
  var waiting = [stdout.read, stderr.read]
  // Its end is the program's own: what it leaves behind may hold its streams for ever.
  while try !isReadable(process.descriptor, within: .zero) {
    if isCancelled() { throw SystemError("poll", .canceled, on: path.string) }
    guard .now < deadline else { throw SystemError("poll", .timedOut, on: path.string) }
    let slice = min(deadline, .now + .milliseconds(200))
    guard let ready = try firstReadable(waiting + [process.descriptor], until: slice) else { continue }
    if ready < waiting.count, try !take(waiting[ready]) { waiting.remove(at: ready) }
  }
  for descriptor in waiting {
    while try isReadable(descriptor, within: .zero), try take(descriptor) {}
  }
  let status = try process.reap()
  isReaped = true
  return ProgramResult(status: status, output: taken[stdout.read] ?? [], errors: taken[stderr.read] ?? [])
}

private func isReadable(_ descriptor: FileDescriptor, within time: Duration) throws -> Bool {
  try firstReadable([descriptor], until: .now + time) != nil
}

/// The index of the first descriptor that is readable or at its end; nil when none was until then.
private func firstReadable(_ descriptors: [FileDescriptor], until deadline: ContinuousClock.Instant) throws
  -> Int?
{
  var entries = descriptors.map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
  while true {
    let left = max(deadline - .now, .zero)
    let ready = poll(
      &entries, nfds_t(entries.count), left == .zero ? 0 : CInt(clamping: left.milliseconds + 1))
    if ready > 0 { return entries.firstIndex { $0.revents != 0 } }
    if ready == 0 { return nil }
    if errno != EINTR { throw SystemError("poll", Errno(rawValue: errno)) }
  }
}

extension Duration {
  fileprivate var milliseconds: Int64 {
    let (seconds, fraction) = components
    return seconds.multipliedReportingOverflow(by: 1000).partialValue + fraction / 1_000_000_000_000_000
  }
}
