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
      guard let addition else {
        let found = layers.map {
          LayerRecord(descriptor: $0.descriptor, diffID: $0.diffID, key: engine.key(of: $0) ?? $0.placedKey)
        }
        var state = state(of: image.config, config, layers: found)
        state.lacksLayers = layers.contains { engine.key(of: $0) == nil }
        return state
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
      return state(of: image.config, config, layers: records)
    } catch {
      throw EngineError("read the layout \(path)", wrapping: error, subject: path.string)
    }
  }
}
