import CISAL
import CZstd
import EngineErrors

/// Uncompressed bytes out of compressed ones, piece by piece. Used by one thread.
protocol Decompressor: AnyObject {
  /// Takes some input and fills some output.
  ///
  /// - Returns: how much of each. No input taken and no output made means that more input is needed.
  func run(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) throws(EngineError)
    -> (consumed: Int, produced: Int)
  /// - Throws: `corrupt` where the input ends in the middle.
  func finish() throws(EngineError)
}

extension Compression {
  /// - Parameters:
  ///   - zstdWindowLog: as in `UnpackLimits`.
  ///   - checksItself: false where a digest of all bytes is checked: zstd's own checksum is then left out. (Gzip's costs little.)
  func decompressor(zstdWindowLog: Int32, checksItself: Bool) throws(EngineError) -> any Decompressor {
    switch self {
    case .gzip: try GzipDecompressor()
    case .zstd: try ZstdDecompressor(windowLog: zstdWindowLog, checksItself: checksItself)
    case .none: PlainDecompressor()
    }
  }
}

private func damaged(_ format: String, _ why: String) -> EngineError {
  EngineError(
    .corrupt, "cannot decompress the layer", causes: ["\(format): \(why)"],
    hint: "the archive is damaged or not complete; get it again")
}

/// RFC 1952 through ISA-L, with any number of members; zeroes after the last one are padding.
final class GzipDecompressor: Decompressor {
  private let state: OpaquePointer
  private var isBetweenMembers = true
  private var isPadding = false
  private var hasMember = false

  init() throws(EngineError) {
    guard let state = cisal_inflate_new() else {
      throw EngineError(.internal, "cannot start ISA-L: no memory")
    }
    self.state = state
  }

  deinit { cisal_inflate_free(state) }

  func run(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) throws(EngineError)
    -> (consumed: Int, produced: Int)
  {
    if isBetweenMembers, let first = input.first {
      if hasMember, first == 0 || isPadding {
        isPadding = true
        guard input.allSatisfy({ $0 == 0 }) else { throw damaged("gzip", "bytes follow its end") }
        return (input.count, 0)
      }
      if hasMember { cisal_inflate_next_member(state) }
      isBetweenMembers = false
      hasMember = true
    }
    var consumed = 0
    var produced = 0
    let result = cisal_inflate_run(
      state, input.baseAddress, input.count, &consumed, output.baseAddress, output.count, &produced)
    guard result >= 0 else { throw damaged("gzip", "ISA-L's error \(result)") }
    if result == 1 { isBetweenMembers = true }
    return (consumed, produced)
  }

  func finish() throws(EngineError) {
    guard isBetweenMembers, hasMember else { throw damaged("gzip", "it ends in the middle") }
  }
}

/// RFC 8878 through libzstd, with any number of frames.
final class ZstdDecompressor: Decompressor {
  private let stream: OpaquePointer
  private let windowLog: Int32
  private var isBetweenFrames = true

  /// - Parameter windowLog: a frame that wants more memory than this power of two is refused.
  init(windowLog: Int32, checksItself: Bool) throws(EngineError) {
    guard let stream = ZSTD_createDStream() else {
      throw EngineError(.internal, "cannot start libzstd: no memory")
    }
    self.stream = stream
    self.windowLog = windowLog
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, windowLog)
    if !checksItself { ZSTD_DCtx_setParameter(stream, CZSTD_IGNORE_CHECKSUM, 1) }
  }

  deinit { ZSTD_freeDStream(stream) }

  func run(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) throws(EngineError)
    -> (consumed: Int, produced: Int)
  {
    var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
    var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let result = ZSTD_decompressStream(stream, &target, &source)
    guard ZSTD_isError(result) == 0 else {
      if ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge {
        throw .overLimit(
          "the layer needs a zstd window of more than 2^\(windowLog) bytes", "--unpack-zstd-window")
      }
      throw damaged("zstd", String(cString: ZSTD_getErrorName(result)))
    }
    if source.pos > 0 || target.pos > 0 { isBetweenFrames = result == 0 }
    return (source.pos, target.pos)
  }

  func finish() throws(EngineError) {
    guard isBetweenFrames else { throw damaged("zstd", "it ends in the middle") }
  }
}

final class PlainDecompressor: Decompressor {
  func run(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) -> (
    consumed: Int, produced: Int
  ) {
    let count = min(input.count, output.count)
    output.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[..<count]))
    return (count, count)
  }

  func finish() {}
}
