import CISAL
package import EngineErrors

/// Compresses a layer with gzip (ISA-L) as it passes; the same bytes always give the same bytes.
///
/// Used by one thread at a time.
package final class LayerCompressor: @unchecked Sendable {
  // Used by one thread at a time, as is said above; the state is ISA-L's.
  private let state: OpaquePointer
  private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
  private let sink: @Sendable (UnsafeRawBufferPointer) throws -> Void

  /// - Parameter sink: gets the compressed bytes in order.
  package init(_ sink: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void) throws(EngineError) {
    guard let state = cisal_deflate_new() else {
      throw EngineError(.internal, "cannot start ISA-L: no memory")
    }
    self.state = state
    self.sink = sink
  }

  deinit {
    cisal_deflate_free(state)
    output.deallocate()
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws { try run(bytes, isEnd: false) }

  /// Writes the end of the stream; nothing may follow.
  package func finish() throws { try run(UnsafeRawBufferPointer(start: nil, count: 0), isEnd: true) }

  private func run(_ bytes: UnsafeRawBufferPointer, isEnd: Bool) throws {
    var rest = bytes
    while true {
      var consumed = 0
      var produced = 0
      let result = cisal_deflate_run(
        state, rest.baseAddress, rest.count, &consumed, isEnd ? 1 : 0, output.baseAddress, output.count,
        &produced)
      guard result >= 0 else {
        throw EngineError(.internal, "cannot compress the layer: ISA-L's error \(result)")
      }
      if produced > 0 { try sink(UnsafeRawBufferPointer(rebasing: output[..<produced])) }
      rest = UnsafeRawBufferPointer(rebasing: rest[consumed...])
      if isEnd ? result == 1 : rest.isEmpty { return }
    }
  }
}
