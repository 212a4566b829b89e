import EngineErrors
import Foundation
import LinuxSystem
import Metadata
import SystemPackage

extension ContainerEngine {
  /// Looks at a container's health again and again while it runs. Of several services that see it, one does; the others
  /// take over when that one ends.
  func watchHealth(of record: ContainerRecord) async throws {
    guard record.health != nil, let plan = try options(record).resolvedHealth else { return }
    let lock = try await locks.holdHealth(record.id)
    defer { lock.release() }
    var tally = (try? healthTally(record.id)) ?? HealthTally(startedAt: 0)
    if tally.startedAt != record.startedAt { tally = HealthTally(startedAt: record.startedAt ?? 0) }
    var last = tally.results.last?.at ?? tally.startedAt
    // Pauses go by a clock that nobody sets; what is left of the first one goes by the other.
    var due = ContinuousClock.now + .nanoseconds(tally.pause(after: last, plan, at: Timestamp.now))
    while true {
      try await Task.sleep(until: due, clock: .continuous)
      guard let stored = try metadata.container(id: record.id), let now = try await settled(stored),
        now.startedAt == record.startedAt, ContainerState.live.contains(now.state)
      else { return }
      let begun = ContinuousClock.now
      last = Timestamp.now
      defer { due = begun + .nanoseconds(tally.pause(after: last, plan)) }
      // Held processes can say nothing.
      if now.state != .running { continue }
      let result = try await HealthProbe(engine: self, container: record.id, plan: plan).result()
      // A look that its container's end has cut off says nothing either.
      guard let after = try await settled(now), after.state == .running, after.startedAt == record.startedAt
      else { continue }
      let health = tally.take(result, plan)
      try replaceFile(
        healthPath(record.id), Array(JSONEncoder().encode(tally)), mode: 0o600)
      if health != after.health {
        _ = try await metadata.mark(
          record.id, health: health,
          events: [.containerHealthChanged(record.id, name: after.name, health)])
      }
    }
  }

  /// The last looks at a container's health, the newest last.
  func healthResults(_ record: ContainerRecord) -> [HealthResult] {
    guard let tally = try? healthTally(record.id), tally.startedAt == record.startedAt else { return [] }
    return tally.results
  }

  private func healthTally(_ id: String) throws -> HealthTally {
    let text = try readSmallFile(healthPath(id), limit: 256 << 10)
    return try JSONDecoder().decode(HealthTally.self, from: Data(text.utf8))
  }

  private func healthPath(_ id: String) -> FilePath {
    snapshots.containerDirectory(id).appending("health.json")
  }
}
