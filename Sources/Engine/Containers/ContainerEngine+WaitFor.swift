import EngineErrors
import LinuxSystem
import Metadata
import Runner

/// Something about a container that can be waited for, besides its end.
package enum WaitCondition: Hashable, Sendable {
  case running
  case healthy
  /// A TCP port that takes connections in the container's network.
  case portOpen(UInt16)
  /// A line of its output, from the start of its present run on, contains a text.
  case logMatch(String)
}

extension ContainerEngine {
  /// Waits until something is so.
  ///
  /// - Returns: the line that matched, with `logMatch`.
  /// - Throws: `conflict` when the container ends, or has ended, before; `timedOut`; `invalidArgument` for the health of
  ///   one that nothing looks at.
  package func wait(
    _ name: String, for condition: WaitCondition, timeout: Duration? = nil
  ) async throws -> String? {
    let record = try metadata.container(matching: name)
    guard let timeout else { return try await wait(record, for: condition) }
    let late = EngineError(
      .timedOut, "container \(record.name) is not \(condition.words) after \(timeout)", subject: record.id,
      retriable: true)
    return try await withDeadline(timeout, late) { try await self.wait(record, for: condition) }
  }

  private func wait(_ record: ContainerRecord, for condition: WaitCondition) async throws -> String? {
    switch condition {
    case .running:
      try await waitForEvent(of: record, condition) { $0.state == .running }
    case .healthy:
      guard record.health != nil else {
        throw EngineError(
          .invalidArgument, "nothing looks at the health of container \(record.name)", subject: record.id,
          hint: "create it with a health check")
      }
      try await waitForEvent(of: record, condition) { $0.state == .running && $0.health == .healthy }
    case .portOpen(let port):
      try await waitForPort(port, of: record)
    case .logMatch(let pattern):
      return try await waitForLine(pattern, of: record)
    }
    return nil
  }

  /// Looks at the record now and after each of its events.
  private func waitForEvent(
    of record: ContainerRecord, _ condition: WaitCondition, _ isMet: (ContainerRecord) -> Bool
  ) async throws {
    // Events of after the first look are not missed.
    let cursor = try metadata.end()
    var now = try await current(record.id)
    var events = metadata.follow(after: cursor).makeAsyncIterator()
    while !isMet(now) {
      if now.state == .exited { throw ended(now, before: condition) }
      repeat {
        guard let event = try await events.next() else { throw CancellationError() }
        if event.event.subject == record.id { break }
      } while true
      now = try await current(record.id)
    }
  }

  /// The kernel tells nobody of a new listening socket, so it is looked for again and again: after 5 ms at first, later after
  /// 100.
  private func waitForPort(_ port: UInt16, of record: ContainerRecord) async throws {
    var pause = Duration.milliseconds(5)
    while true {
      let now = try await current(record.id)
      if now.state == .exited { throw ended(now, before: .portOpen(port)) }
      if let pid = now.pid, ListeningPorts(ofProcess: pid).contains(port) { return }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, .milliseconds(100))
    }
  }

  private func waitForLine(_ pattern: String, of record: ContainerRecord) async throws -> String {
    try await waitForEvent(of: record, .logMatch(pattern)) { $0.state != .created }
    let now = try await current(record.id)
    var lines = LineSearch(pattern)
    for try await entry in try await log(record.id, from: .beginning, follow: true) {
      if Int64(clamping: entry.time) < now.startedAt ?? 0 { continue }
      if let line = lines.firstMatch(in: entry) { return line }
    }
    if let line = lines.rest() { return line }
    throw ended(try await current(record.id), before: .logMatch(pattern))
  }

  private func ended(_ record: ContainerRecord, before condition: WaitCondition) -> EngineError {
    let reason = record.state == .created ? "was not started" : "ended before it was \(condition.words)"
    return EngineError(
      .conflict, "container \(record.name) \(reason)", subject: record.id,
      causes: ExitStatus(record).map { ["its exit code is \($0.code)"] } ?? [], retriable: false)
  }
}

extension WaitCondition {
  fileprivate var words: String {
    switch self {
    case .running: "running"
    case .healthy: "healthy"
    case .portOpen(let port): "listening on port \(port)"
    case .logMatch(let pattern): "heard to say '\(pattern.prefix(80))'"
    }
  }
}
