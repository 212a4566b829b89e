import ContentStore
import EngineErrors
import Layers
import LinuxSystem
import Metadata
import OCIModel
import Registry
import Snapshots
import SystemPackage

extension ContainerEngine {
  /// Brings one layer into the store, both its compressed blob and its unpacked tree, unless they are there.
  ///
  /// Whoever holds the layer's lock works; everyone else, in this process or another, waits for it and sees
  /// its progress (invariant 3).
  func fetchLayer(
    _ layer: StackedLayer, of reference: Reference, _ addition: Addition, reporter: TaskReporter
  ) async throws -> FetchedLayer {
    let blob = layer.descriptor
    if isPresent(layer) { return FetchedLayer(outcome: .present) }
    return try await reporter.task("layer \(blob.digest.short)", total: blob.size) { progress, reporter in
      let unpackLock = try await snapshots.withUnpackLock(layer.diffID)
      defer { unpackLock.releaseAndRemove() }
      let ingestLock = try await content.withIngestLock(blob.digest) { progress.report($0) }
      defer { ingestLock.releaseAndRemove() }
      if isPresent(layer) { return FetchedLayer(outcome: .waited) }

      if content.isWhole(blob) {
        do {
          return FetchedLayer(
            outcome: .present,
            pending: try await unpackBlob(of: layer, reference.description, addition, progress: progress))
        } catch {
          guard try await unnameDamaged(blob.digest, after: error) else { throw error }
          log.notice("layer \(blob.digest.short) was damaged in the store; it is fetched anew")
        }
      }
      return try await registry.mistrustingMirrors(of: reference) {
        try await download(layer, of: reference, addition, progress: progress)
      }
    }
  }

  /// Whether a layer's tree is to be unpacked: it is not there, or nobody could tell whether it is whole.
  private func needsTree(_ layer: StackedLayer) -> Bool {
    key(of: layer).map(snapshots.isDoubtful) ?? true
  }

  private func isPresent(_ layer: StackedLayer) -> Bool {
    content.isWhole(layer.descriptor) && isPair(layer)
  }

  /// Whether a layer's tree is there, and its blob is known to unpack to what the configuration says. Another image may have
  /// brought the tree, with another blob.
  private func isPair(_ layer: StackedLayer) -> Bool {
    key(of: layer).map { snapshots.isPair(layer.descriptor.digest, of: $0) } ?? false
  }

  /// What takes a layer's bytes; nil where all is known that they could tell. Where a tree is there they are only compared with
  /// its DiffID.
  ///
  /// - Parameter blob: as for `LayerUnpacking`.
  private func unpacking(_ layer: StackedLayer, _ addition: Addition, blob: Digest? = nil) throws
    -> LayerUnpacking?
  {
    let needsTree = needsTree(layer)
    if !needsTree, isPair(layer) { return nil }
    return try LayerUnpacking(layer.diffID, self, addition, blob: blob, makesTree: needsTree)
  }

  /// The name under which a layer's tree is kept: its DiffID, or one of its place where it depends on what is below.
  func key(of layer: StackedLayer) -> Digest? {
    [layer.diffID, layer.placedKey].first { snapshots.contains($0) }
  }

  /// Downloads, hashes, stores, inflates, hashes again and unpacks in one pass over the bytes.
  ///
  /// What an earlier pull has brought of the blob is taken over; where it turns out to be wrong, all is fetched anew.
  private func download(
    _ layer: StackedLayer, of reference: Reference, _ addition: Addition, progress: TaskProgress
  ) async throws -> FetchedLayer {
    let writer = try content.ingest(expected: layer.descriptor.digest, size: layer.descriptor.size)
    do {
      return FetchedLayer(
        outcome: .fetched, resumed: writer.leftover,
        pending: try await download(layer, of: reference, into: writer, addition, progress: progress))
    } catch {
      guard writer.leftover > 0, (error as? EngineError)?.blamesBytes == true else { throw error }
      log.notice("what was left of layer \(layer.descriptor.digest.short) is wrong; it is fetched anew")
      let fresh = try content.ingest(expected: layer.descriptor.digest, size: layer.descriptor.size)
      return FetchedLayer(
        outcome: .fetched,
        pending: try await download(layer, of: reference, into: fresh, addition, progress: progress))
    }
  }

  private func download(
    _ layer: StackedLayer, of reference: Reference, into writer: BlobWriter, _ addition: Addition,
    progress: TaskProgress
  ) async throws -> LayerUnpacking? {
    let blob = layer.descriptor
    let unpacking: LayerUnpacking?
    do {
      unpacking = try self.unpacking(layer, addition, blob: blob.digest)
      if unpacking != nil { writer.leaveHashing() }
    } catch {
      writer.suspend()
      throw error
    }
    do {
      if writer.leftover > 0 {
        try await withTaskCancellationHandler {
          try await onBlockingThread("resume") { try writer.resume { try unpacking?.write($0) } }
        } onCancel: {
          unpacking?.cancel()
        }
        progress.report(writer.bytesWritten)
      }
      try await registry.fetchBlob(reference, blob, from: writer.bytesWritten) { bytes in
        // The unpacker first: it goes on while this thread waits for the disk.
        try unpacking?.write(bytes)
        try writer.write(bytes)
        progress.report(writer.bytesWritten)
      }
      let unpacked = try await onBlockingThread("unpack") {
        // The tree first: a blob whose tree is not what the image says must not stay.
        let unpacked = try unpacking?.finish()
        _ = try writer.commit(hashed: unpacked?.archive)
        return unpacked
      }
      try await metadata.append(
        .layerFetched(blob.digest, bytes: blob.size, reference: reference.description))
      guard let unpacking, let unpacked else { return nil }
      return try await keep(unpacking, unpacked, layer, reference.description, addition)
    } catch {
      // The reason a transfer was aborted is the unpacker's where that failed first.
      if Self.isCutOff(error) { writer.suspend() } else { writer.abandon() }
      unpacking?.cancel()
      throw error
    }
  }

  /// Whether a later pull can go on where this one ended.
  private static func isCutOff(_ error: any Error) -> Bool {
    if Task.isCancelled || error is CancellationError { return true }
    // Also where a credential has lapsed on the way.
    return (error as? EngineError).map {
      [.cancelled, .unreachable, .timedOut, .unauthorized].contains($0.kind)
    } ?? false
  }

  /// Commits an unpacked layer under its DiffID, or hands it back where it depends on the layers below.
  private func keep(
    _ unpacking: LayerUnpacking, _ unpacked: UnpackedLayer, _ layer: StackedLayer, _ reference: String,
    _ addition: Addition
  ) async throws -> LayerUnpacking? {
    let blob = layer.descriptor.digest
    guard unpacking.makesTree else {
      unpacking.cancel()
      if let key = key(of: layer) { try snapshots.notePair(blob, of: key) }
      return nil
    }
    try await metadata.append(
      .layerUnpacked(
        diffID: layer.diffID, bytes: unpacked.uncompressedSize, entries: unpacked.entries,
        reference: reference))
    LayerWarnings.current?.add(unpacked.warnings, of: layer.diffID)
    if let doubtful = key(of: layer) {
      try await settleDoubt(of: doubtful, by: unpacking, unpacked, addition)
      try snapshots.notePair(blob, of: doubtful)
      return nil
    }
    guard unpacked.dependencies == nil else { return unpacking }
    try unpacking.commit(as: layer.diffID, from: blob)
    let item = StoreItem(.layer, layer.diffID)
    let place = path(of: item)
    if let bytes = unpacked.bytesOnDisk {
      addition.measured(item, bytes + (try ownDiskUsage(of: place)))
    } else {
      addition.measured(item, try await onBlockingThread("measure") { [self] in try diskUsage(of: item) })
    }
    return nil
  }

  /// Puts what was just unpacked in the place of a tree that could not be checked while its blob was damaged, unless that is
  /// the same. One that a container runs on, or that depends on what is below it, waits for the next verification.
  private func settleDoubt(
    of key: Digest, by unpacking: LayerUnpacking, _ unpacked: UnpackedLayer, _ addition: Addition
  ) async throws {
    guard unpacked.dependencies == nil else { return }
    let isBusy = try layersInUse().contains(key)
    try await onBlockingThread("compare") { [self] in
      let comparison = TreeComparison { false }
      let tree = snapshots.layerDirectory(key)
      if try comparison.difference(of: tree, from: unpacking.directory) != nil {
        if isBusy { return }
        // An image names it already.
        try addition.sync()
        try unpacking.replace(key)
      }
      try snapshots.clearDoubt(of: key)
    }
  }

  /// Unpacks a layer whose blob is in the store, unless its tree is there too. Whoever calls holds the content.
  ///
  /// - Parameter image: a name for it in the journal.
  func unpackLayer(
    _ layer: StackedLayer, of image: String, _ addition: Addition, reporter: TaskReporter
  ) async throws -> FetchedLayer {
    func isDone() -> Bool { !needsTree(layer) && isPair(layer) }
    if isDone() { return FetchedLayer(outcome: .present) }
    let blob = layer.descriptor
    return try await reporter.task("layer \(blob.digest.short)", total: blob.size) { progress, _ in
      let lock = try await snapshots.withUnpackLock(layer.diffID)
      defer { lock.releaseAndRemove() }
      if isDone() { return FetchedLayer(outcome: .waited) }
      do {
        return FetchedLayer(
          outcome: .present, pending: try await unpackBlob(of: layer, image, addition, progress: progress))
      } catch {
        let lease = try await content.withIngestLock(blob.digest)
        defer { lease.releaseAndRemove() }
        guard try await unnameDamaged(blob.digest, after: error) else { throw error }
        throw EngineError(
          .corrupt, "cannot unpack layer \(blob.digest.short): the disk has damaged it", subject: image,
          hint: "bring the image again, by pull, load or build")
      }
    }
  }

  /// Takes a blob its name where that it could not be unpacked comes from damage on the disk, and not from what was fetched once:
  /// the next one who wants it brings it anew. Whoever calls holds the blob's ingest lock.
  private func unnameDamaged(_ blob: Digest, after error: any Error) async throws -> Bool {
    guard let kind = (error as? EngineError)?.kind, [.corrupt, .digestMismatch, .internal].contains(kind)
    else { return false }
    return try await onBlockingThread("verify") { [content] in
      guard try content.check(blob) == .damaged else { return false }
      try content.remove(blob)
      return true
    }
  }

  private func unpackBlob(
    of layer: StackedLayer, _ reference: String, _ addition: Addition, progress: TaskProgress
  ) async throws -> LayerUnpacking? {
    guard let unpacking = try unpacking(layer, addition) else { return nil }
    let path = content.path(of: layer.descriptor.digest)
    let unpacked = try await withTaskCancellationHandler {
      try await onBlockingThread("unpack") {
        try readFile(path, progress.report) { try unpacking.write($0) }
        return try unpacking.finish()
      }
    } onCancel: {
      unpacking.cancel()
    }
    return try await keep(unpacking, unpacked, layer, reference, addition)
  }

  /// Finishes the layers that depend on those below them, the lowest first, and answers every layer's key.
  func settle(_ layers: [StackedLayer], _ fetched: [FetchedLayer]) async throws -> [Digest] {
    try await onBlockingThread("settle layers") { [self] in
      var lowers: [FilePath] = []
      var keys: [Digest] = []
      var trees: Set<Digest> = []
      for (layer, fetched) in zip(layers, fetched) {
        if let pending = fetched.pending {
          try pending.resolve(lowers: lowers)
          try pending.commit(as: layer.placedKey, from: layer.descriptor.digest)
        }
        guard let key = key(of: layer) else {
          throw EngineError(
            .conflict, "layer \(layer.diffID.short) was removed while its image was pulled",
            subject: "\(layer.diffID)", hint: "pull again")
        }
        keys.append(key)
        trees.insert(key)
        // One layer may stand for as many trees as it has places.
        try requireStackable(trees.count, of: layers)
        lowers.insert(snapshots.layerDirectory(key), at: 0)
      }
      return keys
    }
  }
}

/// A layer and its place in an image's stack.
struct StackedLayer: Sendable {
  var descriptor: Descriptor
  var diffID: Digest
  /// Names the layer together with all below it: its ChainID, or `ChainID.ofBottom`. Never a DiffID, by which another image
  /// would find the tree for another place.
  var placedKey: Digest
}

struct FetchedLayer: Sendable {
  var outcome: LayerOutcome
  /// What of it an earlier pull had brought, in bytes.
  var resumed: Int64 = 0
  /// Unpacked, but not kept before the layers below it are there.
  var pending: LayerUnpacking?
}

/// One layer on its way into the snapshots: unpacked into a stage, checked against its DiffID, then committed.
///
/// One that is dropped before `commit` removes what it made.
final class LayerUnpacking: Sendable {
  private let expected: Digest?
  private let blob: Digest?
  /// Else only the digests are compared.
  let makesTree: Bool
  private let stage: LayerStage
  private let unpacker: LayerUnpacker
  private let addition: Addition

  /// - Parameters:
  ///   - expected: the layer's DiffID; nil for a new layer, which takes the one it turns out to have.
  ///   - blob: which digest what is written is to have, where it has none yet that is checked; `UnpackedLayer.archive` is it
  ///     then.
  init(
    _ expected: Digest?, _ engine: ContainerEngine, _ addition: Addition, blob: Digest? = nil,
    makesTree: Bool = true
  ) throws {
    self.expected = expected
    self.blob = blob
    self.makesTree = makesTree
    self.addition = addition
    stage = try engine.snapshots.stage()
    do {
      var options = engine.unpackOptions
      options.isCheckedByDigest = expected != nil
      options.hashesArchive = blob != nil
      options.makesTree = makesTree
      unpacker = try LayerUnpacker(into: stage.directory, options: options)
    } catch {
      stage.discard()
      throw error
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    try unpacker.write(bytes)
    addition.written(bytes.count)
  }

  /// Waits for the unpacking to end and checks what it made.
  ///
  /// - Throws: `digestMismatch` when the bytes are not the blob's, or when the uncompressed ones are not what the image's
  ///   configuration says.
  func finish() throws -> UnpackedLayer {
    let layer = try unpacker.finish()
    // First: of other bytes, nobody knows what the configuration would say.
    if let blob, let archive = layer.archive { try archive.require(blob) }
    if let expected, layer.diffID != expected {
      throw EngineError(
        .digestMismatch, "the uncompressed layer is \(layer.diffID.short) and not \(expected.short)",
        subject: "\(expected)",
        hint: "the image's configuration does not fit its layers; build and push it again",
        retriable: false)
    }
    return layer
  }

  /// Completes a layer that depends on those below it, the uppermost of them first.
  func resolve(lowers: [FilePath]) throws { try unpacker.resolve(lowers: lowers) }

  /// Keeps the tree under `key`; where another service kept the same one first, that one stays.
  ///
  /// - Parameter blob: what it was unpacked from.
  func commit(as key: Digest, from blob: Digest) throws { try stage.commit(as: key, from: blob) }

  /// Where it is unpacked, until `commit`.
  var directory: FilePath { stage.directory }

  /// Puts the tree in the place of a damaged one, of which nothing stays.
  func replace(_ key: Digest) throws { try stage.replace(key) }

  /// Stops the unpacking and removes what it made. After `commit` it does nothing.
  func cancel() {
    unpacker.cancel()
    stage.discard()
  }

  deinit { cancel() }
}
