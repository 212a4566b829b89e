import EngineErrors
import LinuxSystem
import Runner
import Synchronization
import SystemPackage

/// One execution of a health check's command.
struct HealthProbe {
  /// Bytes of output that are kept.
  static let outputLimit = 4096

  let engine: ContainerEngine
  let container: String
  let plan: HealthPlan

  /// - Throws: `CancellationError` alone; all else is a failed look.
  func result() async throws -> HealthResult {
    let at = Timestamp.now
    let output = BoundedOutput(limit: Self.outputLimit)
    var exitCode: Int32?
    do {
      let late = EngineError(.timedOut, "the check took longer than \(plan.timeout / 1_000_000) ms")
      exitCode = try await withDeadline(.nanoseconds(plan.timeout), late) { try await execute(output) }
    } catch {
      try Task.checkCancellation()
      output.add(Array("\(error)".utf8))
    }
    return HealthResult(
      at: at, duration: max(0, Timestamp.now - at), exitCode: exitCode, output: output.text)
  }

  private func execute(_ output: BoundedOutput) async throws -> Int32 {
    let session = try await engine.exec(container, ExecOptions(command: plan.command))
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for case let written? in [session.stdout, session.stderr] {
          group.addTask { try await output.drain(written) }
        }
        try await group.waitForAll()
      }
      return try await session.wait().exitCode
    } catch {
      await Task { _ = try? await session.cancel() }.value
      throw error
    }
  }
}

/// The beginning of what a command writes; the rest is read and dropped.
private final class BoundedOutput: Sendable {
  private let limit: Int
  private let bytes = Mutex<[UInt8]>([])

  init(limit: Int) { self.limit = limit }

  func add(_ more: [UInt8]) {
    bytes.withLock { $0 += more.prefix(max(0, limit - $0.count)) }
  }

  var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }

  func drain(_ written: ExecOutput) async throws {
    var written = written
    while let more = try await written.next() { add(more) }
  }
}
