import Dockerfile
import EngineErrors
import Layers
import LinuxSystem
import Metadata
import OCIModel
import Runner
import SystemPackage

/// The trees that steps read and write: stacks of layers, mounted nowhere.
extension ContainerEngine {
  /// The uppermost first, each once.
  func lowers(_ layers: [LayerRecord]) -> [FilePath] {
    var seen: Set<Digest> = []
    return layers.reversed().filter { seen.insert($0.key).inserted }.map { snapshots.layerDirectory($0.key) }
  }

  /// A directory with an empty upper layer for a step; `discardStep` removes it.
  func prepareStep() throws -> (id: String, upper: FilePath, work: FilePath) {
    let id = ContainerName.newIdentifier()
    let directory = try snapshots.prepareContainer(id)
    return (id, directory.appending("upper"), directory.appending("work"))
  }

  /// In its turn, while the build goes on: thousands of files take a second. What is not come to is left to the next `collect`.
  func discardStep(_ id: String) {
    try? reclaimer.add { [snapshots] in try? snapshots.removeContainer(id) }
  }

  /// All that is in some layers, to read. Blocks, for a thread that ends after it.
  func openTree(_ layers: [LayerRecord], name: String) throws -> SourceRoot {
    let step = try prepareStep()
    do {
      var lowers = lowers(layers)
      // An overlay has one layer below at least.
      if lowers.isEmpty {
        let empty = step.upper.removingLastComponent().appending("empty")
        try makeDirectories(empty, mode: 0o755)
        lowers = [empty]
      }
      let mounted = try mount(lowers, step.upper, step.work)
      return SourceRoot(mounted, name: name, isContext: false) { [self] in discardStep(step.id) }
    } catch {
      discardStep(step.id)
      throw error
    }
  }

  private func mount(_ lowers: [FilePath], _ upper: FilePath, _ work: FilePath) throws -> OwnedDescriptor {
    do {
      return OwnedDescriptor(
        try mountDetachedOverlay(
          lowers: lowers, upper: upper, work: work, userXattrs: configuration.isRootless, isVolatile: true
        ).release())
    } catch  where error.errno == .invalidArgument {
      throw EngineError(
        .unsupported, "cannot put an image's layers together", causes: [error.description],
        hint: "builds that copy files need Linux 6.8 or later")
    }
  }

  /// Makes a layer of what `write` changes in the tree of others. Blocks, for a thread that ends after it.
  ///
  /// - Parameter write: gets the tree's root directory, and says whether it changed anything.
  /// - Returns: nil where nothing was changed.
  func makeLayer(
    on layers: [LayerRecord], _ time: BuildTime, _ addition: Addition, _ warnings: LayerWarnings?,
    _ isCancelled: @Sendable () -> Bool, write: (FileDescriptor) throws -> Bool
  ) throws -> LayerRecord? {
    let step = try prepareStep()
    defer { discardStep(step.id) }
    do {
      let root = try mount(lowers(layers) + [mountPoints], step.upper, step.work)
      guard try write(root.descriptor) else { return nil }
    }
    return try packLayer(step.upper, on: layers, mountPoints: [], time, addition, warnings, isCancelled)
  }

  /// Makes a layer of an upper directory, which becomes the layer's tree. Blocks.
  func packLayer(
    _ upper: FilePath, on layers: [LayerRecord], mountPoints: Set<String>, _ time: BuildTime,
    _ addition: Addition, _ warnings: LayerWarnings?, _ isCancelled: @Sendable () -> Bool
  ) throws -> LayerRecord {
    let stage = try snapshots.stage()
    let blob = try content.ingest(expected: nil, size: nil)
    do {
      let archive = try LayerArchive { bytes in
        try blob.write(bytes)
        addition.written(bytes.count)
      }
      let packed = try LayerDiff.pack(
        upper: upper, lowers: lowers(layers), overlayXattrs: unpackOptions.overlayXattrs,
        mountPoints: mountPoints, time: time.file
      ) { bytes in
        if isCancelled() { throw EngineError.cancelled("making a layer") }
        try archive.write(bytes)
      }
      let diffID = try archive.finish()
      let size = blob.bytesWritten
      let digest = try blob.commit()
      try stage.adopt(upper)
      try stage.commit(as: diffID, from: digest)
      let item = StoreItem(.layer, diffID)
      addition.measured(item, packed.bytesOnDisk + (try ownDiskUsage(of: path(of: item))))
      addition.written(Int(clamping: packed.bytesOnDisk))
      warnings?.add(packed.leftOut, of: diffID)
      return LayerRecord(
        descriptor: Descriptor(mediaType: MediaType.ociLayerGzip, digest: digest, size: size), diffID: diffID,
        key: diffID)
    } catch {
      blob.abandon()
      stage.discard()
      throw error
    }
  }
}
