import EngineErrors
import LinuxSystem
import Metadata
import Runner

/// Processes that the kernel kills for want of memory: counted by the container's control group, journalled once whoever sees
/// the count first.
extension ContainerEngine {
  /// Journals what the group of a container counts beyond what the journal has.
  func markOutOfMemory(_ record: ContainerRecord) async throws -> ContainerRecord {
    guard let kills = runner.outOfMemoryKills(record.id), kills > record.outOfMemoryKills else {
      return record
    }
    _ = try await metadata.mark(
      record.id, outOfMemoryKills: kills,
      events: [.containerOutOfMemory(record.id, name: record.name, kills: kills)])
    var record = record
    record.outOfMemoryKills = kills
    return record
  }

  /// The same for one that may have got a limit now.
  func watchMemory(_ id: String) async {
    if let record = try? metadata.container(id: id) { await watchMemory(record) }
  }

  /// Journals such kills as they happen, until the container ends or this is cancelled. Only for a container with a limit: of
  /// others the count is looked at when they end.
  func watchMemory(_ record: ContainerRecord) async {
    let id = record.id
    // One watch for each start is enough.
    let run = "\(id) \(record.startedAt ?? 0)"
    guard memoryWatches.withLock({ $0.insert(run).inserted }) else { return }
    defer { _ = memoryWatches.withLock { $0.remove(run) } }
    do {
      while let record = try metadata.container(id: id), ContainerState.live.contains(record.state),
        try options(record).limits?.memoryBytes != nil, let watch = try await runner.memoryWatch(id)
      {
        _ = try await markOutOfMemory(record)
        guard try await watch.next(after: record.outOfMemoryKills) else { return }
      }
    } catch is CancellationError {
      return
    } catch let error as EngineError where [.cancelled, .notFound, .conflict].contains(error.kind) {
      return
    } catch {
      log.error("cannot watch the memory of container \(id.prefix(12)): \(error)")
    }
  }
}
