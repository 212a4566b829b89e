package import EngineErrors

/// Turns a layer's bytes, compressed in whatever way, into those of another compression, as they pass.
///
/// Used by one thread at a time.
package final class Recompression: @unchecked Sendable {
  // Used by one thread at a time, as is said above.
  private var decompressor: (any Decompressor)?
  private var first: [UInt8] = []
  private let compressor: LayerCompressor
  private let piece = BytePipe.Piece(size: 256 << 10)

  /// - Parameter sink: gets the bytes of the new compression in order.
  package init(
    to compression: Compression, _ sink: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
  ) throws(EngineError) {
    compressor = try LayerCompressor(compression, sink)
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    if decompressor != nil { return try pass(bytes) }
    // The first bytes say what they are compressed with.
    first += bytes
    guard first.count >= Compression.magicLength else { return }
    try begin()
  }

  /// Writes the end of the stream; nothing may follow.
  ///
  /// - Throws: `corrupt` where the layer ends in the middle.
  package func finish() throws {
    if decompressor == nil { try begin() }
    try decompressor?.finish()
    try compressor.finish()
  }

  private func begin() throws {
    // A layer of the store: whoever took it in allowed its window, and 2^31 bytes is the largest there is.
    decompressor = try Compression.detect(first).decompressor(
      zstdWindowLog: 31, checksItself: true, pieces: 1)
    try first.withUnsafeBytes { try pass($0) }
    first = []
  }

  private func pass(_ bytes: UnsafeRawBufferPointer) throws {
    guard let decompressor else { return }
    var rest = bytes
    while true {
      let (consumed, produced) = try decompressor.run(rest, into: piece)
      rest = UnsafeRawBufferPointer(rebasing: rest[consumed...])
      if produced > 0 { try compressor.write(piece.bytes) }
      piece.empty()
      if consumed == 0, produced == 0 { break }
    }
    guard rest.isEmpty else {
      throw EngineError(.corrupt, "cannot decompress the layer: bytes follow its end")
    }
  }
}
