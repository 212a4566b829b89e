import EngineErrors
import LinuxSystem
import Metadata
import Runner

extension ContainerEngine {
  /// Sees to it that each end of a container is journalled soon after it, whichever service started it, and that
  /// containers with `autoRemove` go; also those that ended while no service ran. What a crash has left is taken away meanwhile.
  /// Returns when cancelled, or when the store is gone.
  package func watch() async {
    await withDiscardingTaskGroup { group in
      var cursor: Cursor?
      var pause = Duration.seconds(1)
      while !Task.isCancelled {
        do {
          let start = try cursor ?? beginWatching(&group)
          cursor = start
          for try await event in metadata.follow(after: start) {
            cursor = event.cursor
            pause = .seconds(1)
            heed(event.event, &group)
          }
        } catch {
          log.error("cannot watch containers: \(error)")
        }
        // As where a user has too many inotify instances just then: it goes on where it was.
        guard fileExists(configuration.storeDirectory), (try? await Task.sleep(for: pause)) != nil else {
          break
        }
        pause = min(pause * 2, .seconds(60))
      }
      group.cancelAll()
    }
  }

  /// - Returns: the journal's end from before the look at what there is.
  private func beginWatching(_ group: inout DiscardingTaskGroup) throws -> Cursor {
    let cursor = try metadata.end()
    let records = try metadata.containers()
    // No end waits for it: with many layers, or an ordinary user's networks to be made, it takes its time.
    group.addTask { await self.tidyUp() }
    for record in records {
      group.addTask { await self.seeTo(record.id, isFirstLook: true) }
      if [.running, .paused].contains(record.state) { group.addTask { await self.lookAfter(record.id) } }
    }
    group.addTask {
      for await id in self.watchedIDs { await self.seeTo(id) }
    }
    return cursor
  }

  private func heed(_ event: JournalEvent, _ group: inout DiscardingTaskGroup) {
    let id = event.subject
    if event.kind == "container.updated" { group.addTask { await self.watchMemory(id) } }
    guard event.kind == "container.started" else { return }
    group.addTask { await self.lookAfter(id) }
    // By its shim, and who sees to it does so still.
    if event.attributes["restarts"] != nil { return }
    if attended.withLock({ $0[id] }) == nil { group.addTask { await self.seeTo(id) } }
  }

  private func tidyUp() async {
    do { try await collect() } catch {
      // A session may be over before it is done, which the next one begins anew.
      if !(error is CancellationError) { log.warning("cannot tidy up the store: \(error)") }
    }
    await removeOrphans()
    await repairNetworks()
    await completeVolumes()
  }

  /// What is measured of a container while it runs, whoever waits for its end.
  private func lookAfter(_ id: String) async {
    await reporting("look after", id) {
      let begun = try healthWatches.withLock { watches -> (ContainerRecord, Task<Void, any Error>)? in
        // Read under the lock, so that who comes last has the latest run.
        guard let record = try metadata.container(id: id) else { return nil }
        let health = Task { try await watchHealth(of: record) }
        // The one of the run before waits for its next look, with the lock that this one needs.
        watches.updateValue(health, forKey: id)?.cancel()
        return (record, health)
      }
      guard let (record, health) = begun else { return }
      async let memory: Void = watchMemory(record)
      defer { healthWatches.withLock { if $0[id] == health { $0[id] = nil } } }
      do {
        try await withTaskCancellationHandler {
          try await health.value
        } onCancel: {
          health.cancel()
        }
      } catch is CancellationError where !Task.isCancelled {
        // The look of a later run has taken its place; memory is watched to the run's end.
      }
      await memory
    }
  }

  /// Waits for a container's end, starts it again where its policy says so and its shim cannot, and removes it where it is to
  /// go.
  ///
  /// - Parameter isFirstLook: this service has just begun, and the machine may have as well.
  private func seeTo(_ id: String, isFirstLook: Bool = false) async {
    await reporting("see to", id) {
      var pause = Duration.seconds(1)
      while let stored = try metadata.container(id: id), let record = try await settled(stored) {
        if ContainerState.live.contains(record.state) {
          guard try await seeEnd(of: record) else { return }
        }
        guard let ended = try metadata.container(id: id), ended.state == .exited else { return }
        guard try await startAgain(ended, isFirstLook: isFirstLook, pausing: &pause) else {
          return try await removeIfDue(ended)
        }
      }
    }
  }

  /// Waits for a container's end, and journals it.
  ///
  /// - Returns: false where this engine removes the container, and records the end with that.
  private func seeEnd(of record: ContainerRecord) async throws -> Bool {
    var ended: Runner.EndedShim?
    defer { withExtendedLifetime(ended) {} }
    if record.state != .restarting, !runner.hasRestartRule(record.id) {
      ended = try? await runner.waitForEnd(record.id)
      if removals.withLock({ $0.contains(record.id) }) { return false }
    }
    _ = try await exit(of: record)
    return true
  }

  /// Starts a container whose shim is gone with its machine, or was killed, by its restart policy.
  ///
  /// - Parameter pause: how long to wait where what it needs is not there yet, as another container, a port or a disk;
  ///   doubled then.
  /// - Returns: whether there is more to see to.
  private func startAgain(
    _ record: ContainerRecord, isFirstLook: Bool, pausing pause: inout Duration
  ) async throws -> Bool {
    guard let policy = try options(record).restart, attended.withLock({ $0[record.id] }) == nil else {
      return false
    }
    var isDue = policy.kind != .never && record.isLost && !record.isStopped
    if !isDue, policy.kind == .always, isFirstLook { isDue = try await isOfEarlierBoot(record) }
    guard isDue else { return false }
    do {
      _ = try await start(record)
      pause = .seconds(1)
    } catch let error where !(error is CancellationError) {
      guard !Task.isCancelled, let now = try metadata.container(id: record.id) else { return false }
      // Another service was first.
      if ContainerState.live.contains(now.state) { return true }
      log.warning("cannot start container \(record.name) again yet: \(error)")
      try await Task.sleep(for: pause)
      pause = min(pause * 2, .seconds(60))
    }
    return true
  }

  /// Whether the machine has been started since a container's end, whatever its clock says: what a run leaves lies in a directory
  /// that is emptied then.
  private func isOfEarlierBoot(_ record: ContainerRecord) async throws -> Bool {
    guard try runner.look(record.id).state == .absent else { return false }
    // Who starts it takes that away as well, and has the lock until it runs.
    let lock = try await locks.holdContainer(record.id)
    defer { lock.release() }
    guard try metadata.container(id: record.id)?.state == .exited else { return false }
    return try runner.look(record.id).state == .absent
  }

  private func removeIfDue(_ record: ContainerRecord) async throws {
    let isOrphan = record.session.map(isOver) ?? false
    guard try options(record).autoRemove || isOrphan, attended.withLock({ $0[record.id] }) == nil else {
      return
    }
    let attention = try await locks.attendContainer(record.id)
    defer { attention.release() }
    if let still = try metadata.container(id: record.id), still.state == .exited {
      try await remove(still, withVolumes: true)
    }
  }

  private func exists(_ id: String) -> Bool { (try? metadata.container(id: id)) ?? nil != nil }

  private func reporting(_ purpose: String, _ id: String, _ body: () async throws -> Void) async {
    do {
      try await body()
    } catch let error as EngineError where error.kind == .cancelled {
      return
    } catch let error as EngineError where error.kind == .notFound && !exists(id) {
      return
    } catch is CancellationError {
      return
    } catch {
      log.error("cannot \(purpose) container \(id.prefix(12)): \(error)")
    }
  }
}
