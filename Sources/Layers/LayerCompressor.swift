package import EngineErrors

/// Compresses a layer as it passes; the same bytes always give the same bytes.
///
/// Used by one thread at a time.
package final class LayerCompressor: @unchecked Sendable {
  // Used by one thread at a time, as is said above.
  private let compressor: any Compressor
  private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
  private let sink: @Sendable (UnsafeRawBufferPointer) throws -> Void

  /// - Parameters:
  ///   - compression: `none` passes the bytes on as they are.
  ///   - sink: gets the compressed bytes in order.
  package init(
    _ compression: Compression = .gzip, _ sink: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
  ) throws(EngineError) {
    compressor = try compression.compressor()
    self.sink = sink
  }

  deinit { output.deallocate() }

  package func write(_ bytes: UnsafeRawBufferPointer) throws { try run(bytes, isEnd: false) }

  /// Writes the end of the stream; nothing may follow.
  package func finish() throws { try run(UnsafeRawBufferPointer(start: nil, count: 0), isEnd: true) }

  private func run(_ bytes: UnsafeRawBufferPointer, isEnd: Bool) throws {
    var rest = bytes
    while true {
      let step = try compressor.run(rest, output, isEnd: isEnd)
      if step.produced > 0 { try sink(UnsafeRawBufferPointer(rebasing: output[..<step.produced])) }
      rest = UnsafeRawBufferPointer(rebasing: rest[step.consumed...])
      if isEnd ? step.isFinished : rest.isEmpty { return }
    }
  }
}
