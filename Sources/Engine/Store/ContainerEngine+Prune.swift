import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import SystemPackage

extension ContainerEngine {
  /// Tells what may go from the store, and why. Nothing is changed.
  package func prunePlan(_ scope: PruneScope) async throws -> PrunePlan {
    let findings = try await findings(scope)
    return PrunePlan(
      items: findings.found.map(\.item), bytes: findings.bytes(findings.found),
      incomplete: findings.incomplete)
  }

  /// Removes items of a plan that was made with the same scope, so far as they may still go: containers before images, and
  /// both before leftovers. What goes with an image goes as after `removeImage`.
  ///
  /// Cancellation ends it between two items.
  package func prune(_ scope: PruneScope, apply ids: [String]) async throws -> PrunePlan {
    let findings = try await findings(scope)
    let chosen = findings.found.filter { ids.contains($0.item.id) }
    var outcomes: [String: PruneItem] = [:]
    var removed: [PruneFinding] = []
    func note(_ finding: PruneFinding, _ error: (any Error)?) {
      var item = finding.item
      item.isRemoved = error == nil
      if let error {
        item.reason = EngineError("remove it", wrapping: error).message
      } else {
        removed.append(finding)
      }
      outcomes[item.id] = item
    }
    var leftovers: [(PruneFinding, Leftover)] = []
    for finding in chosen {
      try Task.checkCancellation()
      if case .leftover(let leftover) = finding.subject {
        leftovers.append((finding, leftover))
        continue
      }
      do {
        try await remove(finding.subject)
        note(finding, nil)
      } catch {
        if error is CancellationError { throw error }
        note(finding, error)
      }
    }
    for (finding, error) in try await remove(leftovers) { note(finding, error) }
    let areNeeded = chosen.allSatisfy {
      switch $0.subject {
      case .image, .buildStep: false
      case .container, .volume, .network, .leftover, .cacheMount: true
      }
    }
    if !areNeeded { await collectBehind() }
    return PrunePlan(
      items: ids.map { id in
        outcomes[id]
          ?? PruneItem(
            id: id, bytes: 0, reason: findings.incomplete ?? "it is gone, or it is in use again",
            isRemoved: false)
      }, bytes: findings.bytes(removed), incomplete: findings.incomplete)
  }

  private func remove(_ subject: PruneFinding.Subject) async throws {
    switch subject {
    case .container(let record): try await remove(record, within: Self.copyPatience)
    case .image(let image):
      let digest = image.digest
      try await metadata.removeNames(image.references, of: digest, withImage: true) { names, image in
        names.map { .imageUntagged(digest, reference: $0) } + (image ? [.imageRemoved(digest)] : [])
      }
    case .buildStep(let step): try await metadata.removeBuildStep(step.key)
    case .volume(let volume): try await removeVolume(volume.record.name)
    case .network(let network): try await removeNetwork(network)
    case .cacheMount(let mount):
      guard let lock = try await locks.tryCollect() else {
        throw EngineError(.conflict, "somebody builds, or adds other content to the store")
      }
      defer { lock.release() }
      try await onBlockingThread("prune") { [self] in try removeCacheMount(mount) }
    case .leftover: break
    }
  }

  /// Removes leftovers while nobody adds content.
  ///
  /// - Returns: each with why it stays, or nil.
  private func remove(_ chosen: [(PruneFinding, Leftover)]) async throws -> [(PruneFinding, (any Error)?)] {
    guard !chosen.isEmpty else { return [] }
    guard let lock = try await locks.tryCollect() else {
      return chosen.map { ($0.0, EngineError(.conflict, "others are adding content to the store")) }
    }
    defer { lock.release() }
    return try await untilCancelled { isCancelled in
      try await onBlockingThread("prune") { [self] in
        // Some may have been named since the plan was made.
        let still = Set(try leftovers(metadata.containers()).map(\.path))
        return try chosen.map { finding, leftover in
          if isCancelled() { throw CancellationError() }
          guard still.contains(leftover.path) else {
            // Whoever was making it was about to remove it as well.
            if !fileExists(leftover.path) { return (finding, nil) }
            return (finding, EngineError(.conflict, "it is in use again"))
          }
          do { try remove(leftover) } catch { return (finding, error) }
          return (finding, nil)
        }
      }
    }
  }

  private func findings(_ scope: PruneScope) async throws -> PruneFindings {
    await reclaimed()
    let containers = try await settledContainers()
    let uses = try metadata.itemUses()
    let now = Timestamp.now
    func isDue(_ time: Int64) -> Bool { now - time >= scope.unusedFor }

    var idle = containers.filter {
      !ContainerState.live.contains($0.state) && isDue($0.finishedAt ?? $0.createdAt)
    }
    if !scope.kinds.contains(.container) { idle = [] }
    let staying = Set(containers.map(\.id)).subtracting(idle.map(\.id))
    let needed = Set(containers.filter { staying.contains($0.id) }.map(\.imageDigest))
    let images =
      !scope.kinds.contains(.image)
      ? []
      : try metadata.imageSummaries().filter { image in
        (image.references.isEmpty || scope.includesNamedImages) && !needed.contains(image.digest)
      }
    let volumes =
      !scope.kinds.contains(.volume)
      ? []
      : try metadata.volumes().filter { volume in
        volume.containers.isEmpty && isDue(volume.record.unusedSince)
          && (volume.record.isAnonymous || scope.includesNamedVolumes)
      }
    let networks =
      scope.kinds.contains(.network) ? try metadata.unusedNetworks().filter { isDue($0.unusedSince) } : []
    let ages = try metadata.images().reduce(into: [Digest: Int64]()) { $0[$1.manifestDigest] = $1.createdAt }

    var incomplete: String?
    var leftovers: [Leftover] = []
    if !scope.kinds.isDisjoint(with: [.download, .content, .remains]) {
      // Whatever is found while the lock is held is nobody's.
      if let lock = try await locks.tryCollect() {
        defer { lock.release() }
        leftovers = try self.leftovers(metadata.containers())
      } else {
        incomplete =
          "others are adding content to the store, so that what nothing needs cannot be told from theirs"
      }
    }
    let steps = scope.kinds.contains(.buildCache) ? try metadata.buildSteps() : []
    let mounts = scope.kinds.contains(.cacheMount) ? try idleCacheMounts() : []
    let due = images.filter { isDue(ages[$0.digest] ?? now) }
    let left = leftovers.filter { scope.kinds.contains($0.pruneKind) }
    let (idleNow, why) = (idle, incomplete)
    return try await untilCancelled { isCancelled in
      try await onBlockingThread("prune") { [self] in
        var found = try idleNow.map { record in
          PruneFinding(
            subject: .container(record),
            bytes: try usage(snapshots.containerDirectory(record.id), isCancelled))
        }
        found += try volumes.map { volume in
          PruneFinding(
            subject: .volume(volume), bytes: try usage(snapshots.volumeData(volume.record.name), isCancelled))
        }
        found += networks.map { PruneFinding(subject: .network($0), bytes: 0) }
        found += due.map { PruneFinding(subject: .image($0), bytes: $0.uniqueBytes) }
        found += try buildFindings(steps, mounts, scope, uses, isCancelled)
        for leftover in left {
          // Another service may have removed it since.
          guard let age = try? fileAge(leftover.path), age >= scope.unusedFor / 1_000_000_000 else {
            continue
          }
          found.append(
            PruneFinding(subject: .leftover(leftover), bytes: try usage(leftover.path, isCancelled)))
        }
        return PruneFindings(found: found, uses: uses, incomplete: why)
      }
    }
  }

  private func usage(_ path: FilePath, _ isCancelled: () -> Bool) throws -> Int64 {
    try LinuxSystem.diskUsage(of: path, isCancelled: isCancelled)
  }
}

struct PruneFindings: Sendable {
  var found: [PruneFinding]
  var uses: [StoreItemUse]
  var incomplete: String?

  /// What these give back together: several images may share what nothing else needs.
  func bytes(_ findings: [PruneFinding]) -> Int64 {
    var images: Set<Digest> = []
    var bytes: Int64 = 0
    for finding in findings {
      if case .image(let image) = finding.subject {
        images.insert(image.digest)
      } else {
        bytes += finding.bytes
      }
    }
    return bytes + uses.bytesNeededOnly(by: images, [:])
  }
}

/// Something that may go, with what it is.
struct PruneFinding: Sendable {
  enum Subject: Sendable {
    case container(ContainerRecord)
    case image(ImageSummary)
    case volume(UsedVolume)
    case network(NetworkRecord)
    case leftover(Leftover)
    case buildStep(BuildStepRecord)
    case cacheMount(CacheMount)
  }
  var subject: Subject
  var bytes: Int64
  /// Where that is not the same for all.
  var why: String?

  var item: PruneItem {
    switch subject {
    case .container(let record):
      PruneItem(
        id: "container:\(record.id)", kind: .container, name: record.name, bytes: bytes,
        reason: ExitStatus(record).map { "it has ended with status \($0.code)" } ?? "it was never started")
    case .image(let image):
      PruneItem(
        id: "image:\(image.digest)", kind: .image, name: image.references.first, bytes: bytes,
        reason: image.references.isEmpty
          ? "it has no name, and no container needs it" : "no container needs it")
    case .buildStep(let step):
      PruneItem(
        id: "buildCache:\(step.key)", kind: .buildCache, name: String(step.source.prefix(200)), bytes: bytes,
        reason: why ?? "it is kept for later builds")
    case .cacheMount(let mount):
      PruneItem(
        id: "cacheMount:\(mount.name)", kind: .cacheMount, name: mount.id, bytes: bytes,
        reason: why ?? "it is kept for later builds")
    case .volume(let volume):
      PruneItem(
        id: "volume:\(volume.record.name)", kind: .volume, name: volume.record.name, bytes: bytes,
        reason: "no container uses it")
    case .network(let network):
      PruneItem(
        id: "network:\(network.id)", kind: .network, name: network.name, bytes: bytes,
        reason: "no container is connected to it")
    case .leftover(let leftover):
      PruneItem(
        id: leftover.pruneID, kind: leftover.pruneKind, bytes: bytes, reason: leftover.pruneReason)
    }
  }
}

extension Leftover {
  var pruneKind: PruneKind {
    switch kind {
    case .download: .download
    case .item: .content
    case .remains, .container: .remains
    }
  }

  fileprivate var pruneID: String {
    switch kind {
    case .download(let blob): "download:\(blob)"
    case .item(let item): "\(item.kind.rawValue):\(item.digest)"
    case .remains: "remains:\(path.lastComponent?.string ?? "")"
    case .container(let id): "remains:\(id)"
    }
  }

  fileprivate var pruneReason: String {
    switch kind {
    case .download: "it is a part of a blob, for a later pull to go on with"
    case .item: "no image needs it"
    case .remains: "a service that was killed has left it"
    case .container: "it is the directory of a container that is not there"
    }
  }
}
