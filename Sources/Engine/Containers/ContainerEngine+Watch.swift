import EngineErrors
import Metadata

extension ContainerEngine {
  /// Sees to it that each end of a container is journalled soon after it, whichever service started it, and that
  /// containers with `autoRemove` go. Begins with what a crash has left in the store, and with those that ended
  /// while no service ran. Returns when cancelled.
  package func watch() async {
    do { try await collect() } catch {
      // A session may be over before it is done, which the next one begins anew.
      if !(error is CancellationError) { log.warning("cannot tidy up the store: \(error)") }
    }
    do {
      let cursor = try metadata.end()
      await withDiscardingTaskGroup { group in
        for record in (try? metadata.containers()) ?? [] {
          group.addTask { await self.seeTo(record.id) }
        }
        group.addTask {
          for await id in self.watchedIDs { await self.seeTo(id) }
        }
        do {
          for try await event in metadata.follow(after: cursor) where event.event.kind == "container.started"
          {
            let id = event.event.subject
            if attended.withLock({ $0[id] }) == nil { group.addTask { await self.seeTo(id) } }
          }
        } catch {
          log.error("cannot watch containers: \(error)")
        }
        group.cancelAll()
      }
    } catch {
      log.error("cannot watch containers: \(error)")
    }
  }

  private func seeTo(_ id: String) async {
    do {
      guard let stored = try metadata.container(id: id), let record = try await settled(stored) else {
        return
      }
      if record.state == .running { _ = try await exit(of: record) }
      guard let ended = try metadata.container(id: id), ended.state == .exited else { return }
      guard try options(ended).autoRemove, attended.withLock({ $0[id] }) == nil else { return }
      let attention = try await locks.attendContainer(id)
      defer { attention.release() }
      if let still = try metadata.container(id: id), still.state == .exited { try await remove(still) }
    } catch let error as EngineError where [.cancelled, .notFound].contains(error.kind) {
      return
    } catch is CancellationError {
      return
    } catch {
      log.error("cannot see to container \(id.prefix(12)): \(error)")
    }
  }
}
