import Dockerfile
import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import SystemPackage

/// A stage that begins with an image of an OCI image layout. The image gets no name in the store; its blobs are taken in.
extension BuildRun {
  /// - Throws: `notFound` where the layout has no such image; `invalidArgument` where it has several and none is named.
  func layoutState(_ path: FilePath, _ tag: String?, _ digest: Digest?) async throws -> StageState {
    do {
      let intake = ArchiveIntake(engine.content, directory: path)
      let (engine, platform) = (engine, request.platform)
      let image = try await withTaskCancellationHandler {
        try await onBlockingThread("layout") {
          try LoadPlan(content: engine.content, intake: intake, platform: platform)
            .image(tag: tag, digest: digest)
        }
      } onCancel: {
        intake.cancel()
      }
      let layers = try engine.stack(image.manifest, image.config)
      let config = image.manifest.config.digest
      let name = "oci-layout://\(path)" + (digest.map { "@\($0)" } ?? tag.map { ":\($0)" } ?? "")
      let base = BuildBase(
        name: name, platform: platform, manifest: image.digest, config: config)
      /// So that it is told when it becomes another one.
      func based(_ state: StageState) throws -> StageState {
        let earlier = try engine.metadata.buildBases(named: name, platform)
        if earlier.first != base { keep(base) }
        var state = state
        state.base = BaseImage(name: name, image: base, earlier: earlier)
        return state
      }
      guard let addition else {
        let found = layers.map {
          LayerRecord(descriptor: $0.descriptor, diffID: $0.diffID, key: engine.key(of: $0) ?? $0.placedKey)
        }
        var state = state(of: image.config, config, layers: found)
        state.lacksLayers = layers.contains { engine.key(of: $0) == nil }
        return try based(state)
      }
      var unpacked: [FetchedLayer] = []
      for layer in layers {
        unpacked.append(
          try await engine.unpackLayer(layer, of: path.string, addition, reporter: reporter))
      }
      let keys = try await engine.settle(layers, unpacked)
      let records = zip(layers, keys).map {
        LayerRecord(descriptor: $0.descriptor, diffID: $0.diffID, key: $1)
      }
      return try based(state(of: image.config, config, layers: records))
    } catch {
      let named = EngineError("read the layout \(path)", wrapping: error, subject: path.string)
      if named.kind != .notFound { throw named }
      throw named.hinting(
        "give the directory of an OCI image layout: oci-layout://PATH, with :TAG or @DIGEST behind")
    }
  }
}
