import CZstd
import EngineErrors

/// RFC 8878 through libzstd, with any number of frames. It decodes block by block into a ring that holds the window, and the
/// pieces borrow their memory of that: libzstd's own streams keep a window too, and copy everything out of it.
final class ZstdDecompressor: Decompressor {
  private enum Stage {
    /// Of a frame; as far as it is there it is in `parts`.
    case header
    /// What is left of a skippable frame, in bytes.
    case skipping(UInt64)
    case blocks
  }

  private let context: OpaquePointer
  private let windowLog: Int32
  private let pieces: Int
  private var stage = Stage.header
  private var ring: WindowRing?
  /// What has come of a header or block that the input ended in the middle of.
  private let parts = UnsafeMutableRawBufferPointer.allocate(
    byteCount: WindowRing.largestBlock, alignment: 64)
  private var partsCount = 0

  /// - Parameters:
  ///   - windowLog: a frame that wants more memory than this power of two is refused.
  ///   - pieces: as for `decompressor`.
  init(windowLog: Int32, checksItself: Bool, pieces: Int) throws(EngineError) {
    guard let context = ZSTD_createDCtx() else {
      throw EngineError(.internal, "cannot start libzstd: no memory")
    }
    self.context = context
    self.windowLog = windowLog
    self.pieces = pieces
    if !checksItself { ZSTD_DCtx_setParameter(context, CZSTD_IGNORE_CHECKSUM, 1) }
  }

  deinit {
    ZSTD_freeDCtx(context)
    parts.deallocate()
  }

  func run(_ input: UnsafeRawBufferPointer, into piece: BytePipe.Piece) throws(EngineError)
    -> (consumed: Int, produced: Int)
  {
    switch stage {
    case .header:
      return (try takeHeader(input), 0)
    case .skipping(let rest):
      let count = min(rest, UInt64(input.count))
      stage = rest == count ? .header : .skipping(rest - count)
      return (Int(count), 0)
    case .blocks:
      guard let ring, ring.lend(to: piece) else { return (0, 0) }
      return try takeBlock(input, into: piece, of: ring)
    }
  }

  func finish() throws(EngineError) {
    guard case .header = stage, partsCount == 0 else { throw .damaged("zstd", "it ends in the middle") }
  }

  /// - Returns: how much of the input it took.
  private func takeHeader(_ input: UnsafeRawBufferPointer) throws(EngineError) -> Int {
    var header = ZSTD_frameHeader()
    // How much it wants for the next step, or 0; never more than the header has.
    let wanted = try check(ZSTD_getFrameHeader(&header, parts.baseAddress, partsCount))
    let taken = collect(input, upTo: wanted)
    guard try check(ZSTD_getFrameHeader(&header, parts.baseAddress, partsCount)) == 0 else { return taken }
    if header.frameType == ZSTD_skippableFrame {
      partsCount = 0
      if header.frameContentSize > 0 { stage = .skipping(header.frameContentSize) }
    } else {
      try begin(header)
      stage = .blocks
    }
    return taken
  }

  /// Begins the frame whose header is in `parts`.
  private func begin(_ header: ZSTD_frameHeader) throws(EngineError) {
    guard header.windowSize <= UInt64(1) << windowLog else { throw windowTooLarge }
    // No distance is longer than the frame. (The size of one that does not say it is the highest number.)
    ring = try WindowRing.holding(
      min(header.windowSize, header.frameContentSize), pieces: pieces, instead: ring)
    try check(ZSTD_decompressBegin(context))
    var rest = UnsafeRawBufferPointer(rebasing: parts[..<partsCount])
    partsCount = 0
    while !rest.isEmpty {
      let count = min(ZSTD_nextSrcSizeToDecompress(context), rest.count)
      try check(ZSTD_decompressContinue(context, nil, 0, rest.baseAddress, count))
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// A block, or what stands in front of one or after the last; straight from the input where all of it is there.
  private func takeBlock(_ input: UnsafeRawBufferPointer, into piece: BytePipe.Piece, of ring: WindowRing)
    throws(EngineError) -> (consumed: Int, produced: Int)
  {
    let wanted = ZSTD_nextSrcSizeToDecompress(context)
    var source = input
    var consumed = wanted
    if partsCount > 0 || input.count < wanted {
      consumed = collect(input, upTo: wanted)
      guard partsCount == wanted else { return (consumed, 0) }
      source = UnsafeRawBufferPointer(parts)
      partsCount = 0
    }
    let produced = try check(
      ZSTD_decompressContinue(
        context, piece.room.baseAddress, WindowRing.step, source.baseAddress, wanted))
    ring.advance(produced, piece)
    if ZSTD_nextSrcSizeToDecompress(context) == 0 { stage = .header }
    return (consumed, produced)
  }

  /// Adds to `parts` until so much is there.
  ///
  /// - Returns: how much of the input it took.
  private func collect(_ input: UnsafeRawBufferPointer, upTo wanted: Int) -> Int {
    let count = max(0, min(wanted, parts.count) - partsCount)
    let part = UnsafeRawBufferPointer(rebasing: input.prefix(count))
    UnsafeMutableRawBufferPointer(rebasing: parts[partsCount...]).copyMemory(from: part)
    partsCount += part.count
    return part.count
  }

  @discardableResult
  private func check(_ result: Int) throws(EngineError) -> Int {
    guard ZSTD_isError(result) != 0 else { return result }
    if ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge { throw windowTooLarge }
    throw .damaged("zstd", String(cString: ZSTD_getErrorName(result)))
  }

  private var windowTooLarge: EngineError {
    .overLimit("the layer needs a zstd window of more than 2^\(windowLog) bytes", "--unpack-zstd-window")
  }
}
