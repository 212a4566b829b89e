import EngineErrors
import LinuxSystem
import Metadata
package import Runner

/// What a container uses at a moment.
package struct ContainerSample: Sendable {
  package var id: String
  package var name: String
  /// In nanoseconds since 1970.
  package var at: Int64
  package var usage: ResourceUsage
  /// Of processor time since the sample before, in a thousandth of one processor; nil in the first.
  package var cpuPermille: Int64?
}

extension ContainerEngine {
  /// The processes of a running container.
  ///
  /// - Throws: `conflict` for one that does not run.
  package func processes(_ name: String) async throws -> [LivingProcess] {
    let record = try await running(name)
    return try await onBlockingThread("top") { [runner] in try runner.processes(record.id) }
  }

  /// Measures containers, or all that run.
  ///
  /// - Parameter earlier: the samples before, for what has happened since.
  /// - Throws: `notFound`, and `conflict` for one that was named and does not run.
  package func sample(_ names: [String]?, after earlier: [ContainerSample] = []) async throws
    -> [ContainerSample]
  {
    var records: [ContainerRecord] = []
    if let names {
      for name in names { records.append(try await running(name)) }
    } else {
      for record in try metadata.containers(in: [.running, .paused]) {
        if let settled = try await settled(record), [.running, .paused].contains(settled.state) {
          records.append(settled)
        }
      }
    }
    return try await onBlockingThread("stats") { [runner, records] in
      var samples: [ContainerSample] = []
      for record in records {
        do {
          var sample = ContainerSample(
            id: record.id, name: record.name, at: Timestamp.now, usage: try runner.usage(record.id))
          sample.compare(with: earlier.first { $0.id == record.id })
          samples.append(sample)
        } catch let error as EngineError where error.kind == .conflict || error.kind == .notFound {
          // It has ended meanwhile.
          continue
        }
      }
      return samples
    }
  }

  /// Measures again and again, and calls `body` with each but the first, until none of the containers runs any more.
  ///
  /// - Returns: the last samples.
  /// - Throws: as `sample`; `CancellationError`, soon after the cancellation.
  package func follow(
    _ names: [String]?, every interval: Duration, _ body: @Sendable ([ContainerSample]) -> Void
  ) async throws -> [ContainerSample] {
    var last = try await sample(names)
    // By id, and those that end are not missed.
    let ids = names.map { _ in last.map(\.id) }
    body(last)
    var samples = last
    while !samples.isEmpty {
      last = samples
      try await Task.sleep(for: interval)
      var living: [String]? = nil
      if let ids {
        let records = try ids.compactMap { try metadata.container(id: $0) }
        living = records.filter { [.running, .paused].contains($0.state) }.map(\.id)
        // Those that wait for their next start come back.
        if living == [], records.contains(where: { $0.state == .restarting }) { continue }
      }
      do { samples = try await sample(living, after: last) } catch let error as EngineError
        where error.kind == .conflict || error.kind == .notFound
      {
        continue
      }
      if !samples.isEmpty { body(samples) }
    }
    return last
  }

  private func running(_ name: String) async throws -> ContainerRecord {
    let record = try await current(name)
    guard [.running, .paused].contains(record.state) else {
      let restarts = record.state == .restarting
      throw EngineError(
        .conflict, "container \(record.name) \(restarts ? "waits for its next start" : "does not run")",
        subject: record.id, hint: restarts ? "try again, or stop it" : "start it first", retriable: restarts)
    }
    return record
  }
}

extension ContainerSample {
  fileprivate mutating func compare(with earlier: ContainerSample?) {
    guard let earlier, at > earlier.at else { return }
    let used = usage.cpuTime > earlier.usage.cpuTime ? usage.cpuTime - earlier.usage.cpuTime : 0
    let passed = UInt64(at - earlier.at) / 1000
    guard passed > 0 else { return }
    cpuPermille = Int64(clamping: used.multipliedReportingOverflow(by: 1000).partialValue / passed)
  }
}
