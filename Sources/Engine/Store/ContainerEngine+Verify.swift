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
    case blobMissing, blobDamaged, treeMissing, treeDamaged
  }

  package var kind: Kind
  /// Of the blob, or of the layer's tree (its DiffID).
  package var digest: Digest
  /// What of a tree is not as its layer says.
  package var detail: String?
  /// The names, or digests, of the images that need it.
  package var images: [String]
  /// Whether it has been put right. A tree can be, by its blob, where no container runs on it; a blob by a pull.
  package var isRepaired: Bool
}

extension ContainerEngine {
  /// Reads blobs and unpacked layers from the disk and compares them with what they should be: each blob with its digest,
  /// and each tree with one that is unpacked anew from its blob.
  ///
  /// A damaged blob loses its name, so that nothing takes it for whole; pulling an image of it again fetches just that.
  /// A damaged tree is replaced, unless a container runs on it.
  ///
  /// - Parameter name: an image; all where nil.
  package func verify(_ name: String? = nil, reporter: TaskReporter = .silent) async throws -> Verification {
    let images = try name.map { [try image(named: $0)] } ?? metadata.images()
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
    for digest in users.keys.sorted(by: { $0.hex < $1.hex }) {
      try await check(digest, users[digest] ?? [], &result, reporter)
    }
    let busy = try layersInUse()
    var seen: Set<Digest> = []
    for image in images {
      var lowers: [FilePath] = []
      for layer in image.layers {
        if seen.insert(layer.key).inserted {
          let names = users[layer.descriptor.digest] ?? []
          try await check(layer, lowers, names, isBusy: busy.contains(layer.key), addition, &result, reporter)
        }
        lowers.insert(snapshots.layerDirectory(layer.key), at: 0)
      }
    }
    return result
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
    result.layers += 1
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
    let lock = try await snapshots.withUnpackLock(layer.diffID)
    defer { lock.releaseAndRemove() }
    let title = "layer \(layer.diffID.short)"
    let (bytes, difference) = try await reporter.task(title, total: layer.descriptor.size) { progress, _ in
      let unpacking = try LayerUnpacking(layer.diffID, self, addition)
      let isCancelled = Atomic(false)
      return try await withTaskCancellationHandler {
        try await onBlockingThread("verify") { [self] () -> (Int64, String?) in
          try readFile(content.path(of: layer.descriptor.digest), progress.report) { try unpacking.write($0) }
          let unpacked = try unpacking.finish()
          if unpacked.dependencies != nil {
            try unpacking.resolve(lowers: layer.key == layer.diffID ? [] : lowers)
          }
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
          return (unpacked.uncompressedSize, difference)
        }
      } onCancel: {
        isCancelled.store(true, ordering: .relaxed)
        unpacking.cancel()
      }
    }
    result.bytes += bytes
    if let difference {
      result.problems.append(problem(isThere ? difference : nil, isRepaired: !isBusy))
    }
  }
}
