import ContentStore
import EngineErrors
import Layers
import Metadata
import OCIModel

/// Makes a new layer from an archive as it passes: the tree goes to the snapshots, and a compressed blob to
/// the content store.
struct LayerBuilder: Sendable {
  private let unpacking: LayerUnpacking
  private let writer: BlobWriter
  private let compressor: LayerCompressor?
  private let mediaType: String

  /// - Parameter compression: how the bytes given to `write` are compressed; plain ones are compressed with gzip
  ///   for the blob, others are kept as they are.
  init(_ compression: Compression, _ engine: ContainerEngine, _ addition: Addition) throws {
    unpacking = try LayerUnpacking(nil, engine, addition)
    let writer = try engine.content.ingest(expected: nil, size: nil)
    self.writer = writer
    switch compression {
    case .none: compressor = try LayerCompressor { try writer.write($0) }
    case .gzip, .zstd: compressor = nil
    }
    mediaType = compression == .zstd ? MediaType.ociLayerZstd : MediaType.ociLayerGzip
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    if let compressor { try compressor.write(bytes) } else { try writer.write(bytes) }
    try unpacking.write(bytes)
  }

  /// Commits the blob and the tree of a layer that has nothing below it, or all that it needs in itself.
  ///
  /// - Parameter warnings: gets what was left out.
  /// - Throws: what the unpacker found wrong with the archive.
  func finish(_ warnings: LayerWarnings?, leftOut: [String] = []) throws -> LayerRecord {
    let unpacked = try unpacking.finish()
    warnings?.add(leftOut + unpacked.warnings, of: unpacked.diffID)
    let isPlaced = unpacked.dependencies != nil
    // There is nothing below it: directories that were implied stay as they were made.
    if isPlaced { try unpacking.resolve(lowers: []) }
    try compressor?.finish()
    let size = writer.bytesWritten
    let digest = try writer.commit()
    let key = isPlaced ? ChainID.ofBottom(unpacked.diffID) : unpacked.diffID
    try unpacking.commit(as: key, from: digest)
    return LayerRecord(
      descriptor: Descriptor(mediaType: mediaType, digest: digest, size: size), diffID: unpacked.diffID,
      key: key)
  }

  /// Removes what was made; after `finish` it does nothing.
  func abandon() {
    writer.abandon()
    unpacking.cancel()
  }
}
