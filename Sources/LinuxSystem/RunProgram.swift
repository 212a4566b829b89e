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
///   - input: less than a pipe holds, 64 KiB.
///   - limit: of its output and of its errors each, in bytes; more is left out.
///   - patience: the program is killed when it takes longer.
/// - Throws: `SystemError` from posix_spawn(3) and pipe2(2); `timedOut` for a program that was killed.
package func runProgram(
  _ path: FilePath, arguments: [String], environment: [String], input: [UInt8], limit: Int = 1 << 20,
  patience: Duration
) throws -> ProgramResult {
  let (stdin, stdout, stderr) = (try makePipe(), try makePipe(), try makePipe())
  var open = [stdin.read, stdin.write, stdout.read, stdout.write, stderr.read, stderr.write]
  defer { for descriptor in open { try? descriptor.close() } }
  func close(_ descriptor: FileDescriptor) {
    open.removeAll { $0 == descriptor }
    try? descriptor.close()
  }

  let pid = try spawn(
    path, arguments: arguments, environment: environment,
    descriptors: [stdin.read, stdout.write, stderr.write])
  let process = try ProcessDescriptor(pid: pid)
  for descriptor in [stdin.read, stdout.write, stderr.write] { close(descriptor) }
  // A program that reads nothing, and has ended perhaps, is no failure.
  _ = try? stdin.write.writeAll(input)
  close(stdin.write)

  let deadline = ContinuousClock.now + patience
  var taken = [stdout.read: [UInt8](), stderr.read: [UInt8]()]
  var waiting = [stdout.read, stderr.read]
  while !waiting.isEmpty {
    var entries = waiting.map { pollfd(fd: $0.rawValue, events: Int16(POLLIN), revents: 0) }
    let left = deadline - .now
    let ready =
      left > .zero ? poll(&entries, nfds_t(entries.count), CInt(clamping: left.milliseconds + 1)) : 0
    if ready < 0, errno == EINTR { continue }
    if ready <= 0 {
      try? process.signal(SIGKILL)
      _ = try? process.reap()
      throw SystemError("poll", .timedOut, on: path.string)
    }
    for (descriptor, entry) in zip(waiting, entries) where entry.revents != 0 {
      var chunk = [UInt8](repeating: 0, count: 4096)
      let count = try chunk.withUnsafeMutableBytes { try descriptor.read(into: $0) }
      if count == 0 { waiting.removeAll { $0 == descriptor } }
      let room = limit - (taken[descriptor]?.count ?? 0)
      taken[descriptor]?.append(contentsOf: chunk.prefix(min(count, room)))
    }
  }
  return ProgramResult(
    status: try process.reap(), output: taken[stdout.read] ?? [], errors: taken[stderr.read] ?? [])
}

extension Duration {
  fileprivate var milliseconds: Int64 {
    let (seconds, fraction) = components
    return seconds.multipliedReportingOverflow(by: 1000).partialValue + fraction / 1_000_000_000_000_000
  }
}
