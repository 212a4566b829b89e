import ContentStore
import EngineErrors
import Layers
import LinuxSystem
import Metadata
package import OCIModel
import Snapshots
import Synchronization
import SystemPackage

/// What a check of the store has found.
package struct Verification: Sendable {
  package var images = 0
  package var blobs = 0
  package var layers = 0
  /// Read from the disk for it, compressed and unpacked.
  package var bytes: Int64 = 0
  package var problems: [StoreProblem] = []
}

/// Something in the store that is not what its name says.
package struct StoreProblem: Sendable {
  package enum Kind: String, Sendable {
    case blobMissing, blobDamaged, blobUnfit, treeMissing, treeDamaged
  }

  package var kind: Kind
  /// Of the blob, or of the layer's tree (its DiffID).
  package var digest: Digest
  /// What of a tree is not as its layer says.
  package var detail: String?
  /// The names, or digests, of the images that need it; none where only the cache of builds has it.
  package var images: [String]
  /// Whether it has been put right. A tree can be, by its blob, where no container runs on it; a blob by a pull.
  package var isRepaired: Bool
  /// Whether only the cache of builds had it, which has it no more: it will be built anew.
  package var isForgotten = false
}

extension ContainerEngine {
  /// Reads blobs and unpacked layers from the disk and compares them with what they should be: each blob with its digest,
  /// and each tree with one that is unpacked anew from its blob; with those of all images also the cache's of builds.
  ///
  /// A damaged blob loses its name, so that nothing takes it for whole; pulling an image of it again fetches just that.
  /// A damaged tree is replaced, unless a container runs on it.
  ///
  /// - Parameter name: an image; all where nil.
  package func verify(_ name: String? = nil, reporter: TaskReporter = .silent) async throws -> Verification {
    let images = try name.map { [try image(named: $0)] } ?? metadata.images()
    let steps = name == nil ? try metadata.buildSteps() : []
    let addition = try await beginAddition()
    defer { addition.end() }
    var result = Verification(images: images.count)
    var users: [Digest: [String]] = [:]
    for image in images {
      let names = try metadata.tags(of: image.manifestDigest).map(\.reference)
      for digest in [image.manifestDigest, image.configDigest] + image.layers.map(\.descriptor.digest) {
        users[digest, default: []] += names.isEmpty ? [image.manifestDigest.description] : names
      }
    }
    for layer in steps.compactMap(\.layer) { users[layer.descriptor.digest, default: []] += [] }
    for digest in users.keys.sorted(by: { $0.hex < $1.hex }) {
      try await check(digest, users[digest] ?? [], &result, reporter)
    }
    let busy = try layersInUse()
    /// Each tree with each blob that it is said to be of.
    var seen: [Digest: Set<Digest>] = [:]
    func compareOnce(_ layer: LayerRecord, _ lowers: [FilePath]) async throws {
      let blob = layer.descriptor.digest
      guard seen[layer.key, default: []].insert(blob).inserted else { return }
      try await check(
        layer, lowers, users[blob] ?? [], isBusy: busy.contains(layer.key), addition, &result, reporter)
    }
    for image in images {
      var lowers: [FilePath] = []
      for layer in image.layers {
        try await compareOnce(layer, lowers)
        lowers.insert(snapshots.layerDirectory(layer.key), at: 0)
      }
    }
    for layer in steps.compactMap(\.layer) { try await compareOnce(layer, []) }
    result.layers = seen.count
    try await forget(steps, &result)
    return result
  }

  /// Takes what is damaged and only the cache of builds has out of it.
  private func forget(_ steps: [BuildStepRecord], _ result: inout Verification) async throws {
    for index in result.problems.indices {
      let problem = result.problems[index]
      // A tree that a container runs on would be the same one again, for whatever is built anew.
      guard problem.images.isEmpty, !problem.isRepaired, problem.kind != .treeDamaged else { continue }
      for step in steps {
        guard let layer = step.layer, [layer.descriptor.digest, layer.diffID].contains(problem.digest) else {
          continue
        }
        try await metadata.removeBuildStep(step.key)
      }
      result.problems[index].isForgotten = true
    }
  }

  /// The layers that running containers have mounted, whose files must stay.
  func layersInUse() throws -> Set<Digest> {
    let running = try metadata.containers().filter { $0.state == .running }
    return try Set(
      running.flatMap { try metadata.image($0.imageDigest)?.layers.map(\.key) ?? [] })
  }

  private func check(
    _ digest: Digest, _ users: [String], _ result: inout Verification, _ reporter: TaskReporter
  ) async throws {
    let lease = try await content.withIngestLock(digest)
    defer { lease.releaseAndRemove() }
    let size = (try? content.size(of: digest)) ?? 0
    let state = try await reporter.task("blob \(digest.short)", total: size) { progress, _ in
      let isCancelled = Atomic(false)
      return try await withTaskCancellationHandler {
        try await onBlockingThread("verify") { [content] in
          try content.check(digest) {
            if isCancelled.load(ordering: .relaxed) { throw EngineError.cancelled("verifying") }
            progress.report($0)
          }
        }
      } onCancel: {
        isCancelled.store(true, ordering: .relaxed)
      }
    }
    result.blobs += 1
    result.bytes += size
    if state == .whole { return }
    if state == .damaged {
      Failpoint.damageFound.pass()
      try content.remove(digest)
      Failpoint.blobUnnamed.pass()
    }
    result.problems.append(
      StoreProblem(
        kind: state == .damaged ? .blobDamaged : .blobMissing, digest: digest, images: users,
        isRepaired: false))
  }

  private func check(
    _ layer: LayerRecord, _ lowers: [FilePath], _ users: [String], isBusy: Bool, _ addition: Addition,
    _ result: inout Verification,
    _ reporter: TaskReporter
  ) async throws {
    let isThere = snapshots.contains(layer.key)
    func problem(_ detail: String?, isRepaired: Bool) -> StoreProblem {
      StoreProblem(
        kind: isThere ? .treeDamaged : .treeMissing, digest: layer.diffID, detail: detail, images: users,
        isRepaired: isRepaired)
    }
    guard content.isWhole(layer.descriptor) else {
      // There is nothing to compare it with before the blob is back; whoever brings that does it.
      if isThere {
        try snapshots.doubt(layer.key)
      } else {
        result.problems.append(problem(nil, isRepaired: false))
      }
      return
    }
    do {
      let (bytes, difference) = try await compare(
        layer, lowers, isThere: isThere, isBusy: isBusy, addition, reporter)
      result.bytes += bytes
      if let difference {
        result.problems.append(problem(isThere ? difference : nil, isRepaired: !isBusy))
      }
    } catch let error as EngineError where [.corrupt, .digestMismatch].contains(error.kind) {
      // Its bytes are the digest's, and not the layer that the image says. There is more to look at.
      result.problems.append(
        StoreProblem(
          kind: .blobUnfit, digest: layer.descriptor.digest, detail: error.description, images: users,
          isRepaired: false))
    }
  }

  /// Unpacks a layer anew and compares its tree with that; puts what is wrong right, unless it is busy.
  ///
  /// - Returns: how much was unpacked, in bytes, and what is not the same.
  private func compare(
    _ layer: LayerRecord, _ lowers: [FilePath], isThere: Bool, isBusy: Bool, _ addition: Addition,
    _ reporter: TaskReporter
  ) async throws -> (Int64, String?) {
    let lock = try await snapshots.withUnpackLock(layer.diffID)
    defer { lock.releaseAndRemove() }
    let standsAlone = [layer.diffID, ChainID.ofBottom(layer.diffID)].contains(layer.key)
    let title = "layer \(layer.diffID.short)"
    return try await reporter.task(title, total: layer.descriptor.size) { progress, _ in
      let unpacking = try LayerUnpacking(layer.diffID, self, addition)
      let isCancelled = Atomic(false)
      return try await withTaskCancellationHandler {
        try await onBlockingThread("verify") { [self] () -> (Int64, String?) in
          try readFile(content.path(of: layer.descriptor.digest), progress.report) { try unpacking.write($0) }
          let unpacked = try unpacking.finish()
          if unpacked.dependencies != nil { try unpacking.resolve(lowers: standsAlone ? [] : lowers) }
          let comparison = TreeComparison { isCancelled.load(ordering: .relaxed) }
          let difference =
            isThere
            ? try comparison.difference(of: snapshots.layerDirectory(layer.key), from: unpacking.directory)
            : "it is missing"
          if difference != nil, !isBusy {
            try addition.sync()
            try unpacking.replace(layer.key)
          }
          if difference == nil || !isBusy { try snapshots.clearDoubt(of: layer.key) }
          try snapshots.notePair(layer.descriptor.digest, of: layer.key)
          return (unpacked.uncompressedSize, difference)
        }
      } onCancel: {
        isCancelled.store(true, ordering: .relaxed)
        unpacking.cancel()
      }
    }
  }
}
