import ContentStore
import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import Runner
import Snapshots
import SystemPackage

/// What nothing names goes.
extension ContainerEngine {
  /// Removes blobs and layers that no image names, and what a crash has left. Left for another time while anyone adds
  /// content.
  func collect() async throws {
    guard let lock = try await locks.tryCollect() else { return }
    defer { lock.release() }
    try await onBlockingThread("collect") { [self] in try removeUnnamed() }
    // Of one that its service was making when it died; nothing of it runs.
    let containers = Set(try metadata.containers().map(\.id))
    try? sweepSecrets(keeping: containers)
    try? sweepDigests()
    for id in try runner.list() where !containers.contains(id) { try? await runner.cleanUp(id) }
  }

  /// Collects behind a change that is done. Neither a cancellation nor a failure of this takes the change back, so the answer is
  /// the change's; what is left goes with the next collection.
  func collectBehind() async {
    do { try await Task { [self] in try await collect() }.value } catch {
      log.warning("what nothing names any more could not be collected: \(error)")
    }
  }

  /// Removes a layer that nothing uses: its name at once, and its tree soon after.
  func removeLayer(_ key: Digest) throws {
    if let tree = try snapshots.unname(key) { reclaim([tree]) }
  }

  /// Removes trees without a name, in their turn, while the engine goes on: tens of thousands of files take a second. What it
  /// does not come to is left to the next service's `collect`.
  ///
  /// - Parameter root: of a container whose trees they are; its end may wait for the disk.
  func reclaim(_ trees: [FilePath], letGo root: HeldRoot? = nil) {
    // Another service may be removing the same tree just now.
    try? reclaimer.add { [reclaimer] in
      for tree in trees { try? removeTree(tree) }
      // Behind what has come meanwhile: of several in a row only the first one finds much to write.
      if let root { try? reclaimer.add { root.letGo() } }
    }
  }

  /// Waits until the space of all that was removed so far is free.
  package func reclaimed() async { try? await reclaimer.run {} }

  /// The first thing that a store sees after each start of the machine.
  ///
  /// What an image's row names was on the disk before the row. All else may have been cut off by a loss of power, its name there
  /// and its content not, and must not be taken for whole; so it goes before anyone can look for it. So do containers whose
  /// row has reached the disk, with an image's that came later, and whose files have not. Blocks.
  func recoverFromRestart() throws {
    let bootID = Array(try readSmallFile("/proc/sys/kernel/random/boot_id", limit: 64).utf8)
    let seen = configuration.storeDirectory.appending("boot-id")
    func isDone() -> Bool { (try? readSmallFile(seen, limit: 64)).map { Array($0.utf8) } == bootID }
    if isDone() { return }
    // Whoever uses the store has seen this done, or waits here.
    let lock = try locks.holdCollection()
    defer { lock.release() }
    if isDone() { return }
    let broken = try metadata.containers().filter { !isWhole($0) }
    try metadata.forgetContainers(
      broken.map(\.id), events: broken.map { .containerRemoved($0.id, name: $0.name) })
    let lost = try metadata.volumes().filter {
      $0.record.isAnonymous && $0.containers.isEmpty && !fileExists(snapshots.volumeData($0.record.name))
    }.map(\.record.name)
    try metadata.forgetVolumes(lost, events: lost.map { .volumeRemoved($0) })
    try removeUnnamed()
    Failpoint.restartTidied.pass()
    // On a full disk it is done again the next time.
    try? replaceFile(seen, bootID)
    Failpoint.restartRecorded.pass()
  }

  /// Whether all is there that the container was made with. A file whose name has reached the disk alone is empty.
  private func isWhole(_ container: ContainerRecord) -> Bool {
    let directory = snapshots.containerDirectory(container.id)
    guard let spec = try? spec(container.id), let options = try? options(container),
      ["upper", "work"].allSatisfy({ fileKind(directory.appending($0)) == .directory }),
      // A named one is on the disk before its row.
      (options.volumes ?? []).allSatisfy({ !$0.isAnonymous || fileExists(snapshots.volumeData($0.name)) })
    else { return false }
    if options.network == .bridge, (try? fileSize(directory.appending(Self.ownHosts))) ?? 0 == 0 {
      return false
    }
    return BoundFile.allCases.allSatisfy { file in
      guard let size = try? fileSize(directory.appending(file.rawValue)) else { return false }
      return size > 0 || file.content(spec, options, host: { _ in "" }).isEmpty
    }
  }

  /// For whoever holds the collection lock alone.
  private func removeUnnamed() throws {
    let blobs = try metadata.itemsInUse(.blob)
    let layers = try metadata.itemsInUse(.layer)
    let containers = Set(try metadata.containers().map(\.id))
    for digest in try content.list() where !blobs.contains(digest) {
      try content.remove(digest)
      Failpoint.blobCollected.pass()
    }
    for key in try snapshots.list() where !layers.contains(key) {
      try removeLayer(key)
      Failpoint.layerCollected.pass()
    }
    let volumes = Set(try metadata.volumes().map(\.record.name))
    for name in try snapshots.volumeNames() where !volumes.contains(name) {
      if let grave = try snapshots.unname(volume: name) { reclaim([grave]) }
    }
    try content.sweep()
    reclaim(try snapshots.sweep { containers.contains($0) })
    for path in try unfinishedCacheMounts() {
      if let grave = try snapshots.unnameTree(path) { reclaim([grave]) }
    }
    Failpoint.storeCollected.pass()
  }
}
