import CISAL
import CZstd
import EngineErrors

/// Compressed bytes out of uncompressed ones, piece by piece. Used by one thread.
protocol Compressor: AnyObject {
  /// Takes some input and fills some output; with `isEnd`, when there is no more input, until it is finished.
  func run(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer, isEnd: Bool)
    throws(EngineError)
    -> CompressorStep
}

struct CompressorStep {
  var consumed: Int
  var produced: Int
  /// Whether all is out, the end of the stream included.
  var isFinished: Bool
}

extension Compression {
  func compressor() throws(EngineError) -> any Compressor {
    switch self {
    case .gzip: try GzipCompressor()
    case .zstd: try ZstdCompressor()
    case .none: PlainCompressor()
    }
  }
}

/// RFC 1952 through ISA-L.
final class GzipCompressor: Compressor {
  private let state: OpaquePointer

  init() throws(EngineError) {
    guard let state = cisal_deflate_new() else {
      throw EngineError(.internal, "cannot start ISA-L: no memory")
    }
    self.state = state
  }

  deinit { cisal_deflate_free(state) }

  func run(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer, isEnd: Bool)
    throws(EngineError)
    -> CompressorStep
  {
    var consumed = 0
    var produced = 0
    let result = cisal_deflate_run(
      state, input.baseAddress, input.count, &consumed, isEnd ? 1 : 0, output.baseAddress, output.count,
      &produced)
    guard result >= 0 else {
      throw EngineError(.internal, "cannot compress the layer: ISA-L's error \(result)")
    }
    return CompressorStep(consumed: consumed, produced: produced, isFinished: result == 1)
  }
}

/// RFC 8878 through libzstd, at its default level.
final class ZstdCompressor: Compressor {
  private let stream: OpaquePointer

  init() throws(EngineError) {
    guard let stream = ZSTD_createCCtx() else {
      throw EngineError(.internal, "cannot start libzstd: no memory")
    }
    self.stream = stream
  }

  deinit { ZSTD_freeCCtx(stream) }

  func run(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer, isEnd: Bool)
    throws(EngineError)
    -> CompressorStep
  {
    var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
    var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let left = ZSTD_compressStream2(stream, &target, &source, isEnd ? ZSTD_e_end : ZSTD_e_continue)
    guard ZSTD_isError(left) == 0 else {
      throw EngineError(
        .internal, "cannot compress the layer: \(String(cString: ZSTD_getErrorName(left)))")
    }
    return CompressorStep(consumed: source.pos, produced: target.pos, isFinished: left == 0)
  }
}

/// What is not compressed at all.
final class PlainCompressor: Compressor {
  func run(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer, isEnd: Bool)
    throws(EngineError)
    -> CompressorStep
  {
    let count = min(input.count, output.count)
    output.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[..<count]))
    return CompressorStep(consumed: count, produced: count, isFinished: count == input.count)
  }
}
