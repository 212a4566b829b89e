import ContentStore
import EngineErrors
import Layers
import LinuxSystem
import OCIModel

/// How a push compresses layers.
package enum LayerCompression: Sendable {
  case gzip
  case zstd

  fileprivate var compression: Compression { self == .gzip ? .gzip : .zstd }
  fileprivate var mediaType: String { self == .gzip ? MediaType.ociLayerGzip : MediaType.ociLayerZstd }
}

extension ContainerEngine {
  /// The manifest of the same image with its layers compressed in another way, and these layers as blobs in the store,
  /// where nothing names them: the next collection takes them away.
  ///
  /// Layers that are compressed so already stay as they are. The caller holds the content.
  func recompressed(_ manifest: Manifest, _ wanted: LayerCompression, reporter: TaskReporter) async throws
    -> Manifest
  {
    var layers = manifest.layers
    for (index, layer) in manifest.layers.enumerated() {
      let path = content.path(of: layer.digest)
      if try Compression.detect(fileAt: path) == wanted.compression {
        layers[index].mediaType = wanted.mediaType
        continue
      }
      layers[index] = try await reporter.task("compress \(layer.digest.short)", total: layer.size) {
        progress, _ in
        try await compress(layer, wanted, progress)
      }
    }
    var config = manifest.config
    config.mediaType = MediaType.ociConfig
    return Manifest(config: config, layers: layers, annotations: manifest.annotations)
  }

  private func compress(_ layer: Descriptor, _ wanted: LayerCompression, _ progress: TaskProgress)
    async throws
    -> Descriptor
  {
    let path = content.path(of: layer.digest)
    let writer = try content.ingest(expected: nil, size: nil)
    do {
      return try await withTaskCancellationHandler {
        try await onBlockingThread("compress") {
          let recompression = try Recompression(to: wanted.compression) { try writer.write($0) }
          try readFile(path, progress.report) { try recompression.write($0) }
          try recompression.finish()
          let size = writer.bytesWritten
          return Descriptor(mediaType: wanted.mediaType, digest: try writer.commit(), size: size)
        }
      } onCancel: {
        writer.abandon()
      }
    } catch {
      writer.abandon()
      throw error
    }
  }
}
