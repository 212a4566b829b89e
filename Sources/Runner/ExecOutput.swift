import Glibc
import LinuxSystem
package import SystemPackage

/// What comes out of one of an exec session's pipes, to its end.
///
/// What the command has left behind may hold the pipe open for ever: it is still heard for a while after the command's end, and
/// then what the pipe holds is the last.
package struct ExecOutput: Sendable {
  private static var patience: Duration { .seconds(1) }
  private let session: ExecSession
  private let pipe: FileDescriptor
  private var deadline: ContinuousClock.Instant?
  private var isOver = false

  init(_ session: ExecSession, _ pipe: FileDescriptor) {
    self.session = session
    self.pipe = pipe
  }

  /// The next bytes, 64 KiB at most; nil at the end.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled; `Errno` from read(2).
  package mutating func next() async throws -> [UInt8]? {
    while !isOver {
      if session.hasEnded, deadline == nil { deadline = .now + Self.patience }
      if pipe.isReadable {
        // A pipe holds no more than one read takes.
        isOver = deadline.map { $0 <= .now } ?? false
        let bytes = try [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, count in
          count = try pipe.read(into: UnsafeMutableRawBufferPointer(buffer))
        }
        return bytes.isEmpty ? nil : bytes
      }
      guard let deadline else {
        try await session.readable(pipe)
        continue
      }
      if deadline <= .now { return nil }
      try await Self.readable(pipe, until: deadline)
    }
    return nil
  }

  private static func readable(_ pipe: FileDescriptor, until deadline: ContinuousClock.Instant) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await DescriptorWatcher.shared.readable(pipe) }
      group.addTask { try await Task.sleep(until: deadline, clock: .continuous) }
      defer { group.cancelAll() }
      try await group.next()
    }
  }
}
