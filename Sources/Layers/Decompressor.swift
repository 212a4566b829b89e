import CISAL
import EngineErrors

/// Uncompressed bytes out of compressed ones, piece by piece. Used by one thread.
protocol Decompressor: AnyObject {
  /// Takes some input and adds some output to the piece, whose memory it may exchange while it is empty.
  ///
  /// - Returns: how much of each. No input taken and no output made means that more input is needed, or room in the piece.
  func run(_ input: UnsafeRawBufferPointer, into piece: BytePipe.Piece) throws(EngineError)
    -> (consumed: Int, produced: Int)
  /// - Throws: `corrupt` where the input ends in the middle.
  func finish() throws(EngineError)
}

extension Compression {
  /// - Parameters:
  ///   - zstdWindowLog: as in `UnpackLimits`.
  ///   - checksItself: false where a digest of all bytes is checked: zstd's own checksum is then left out. (Gzip's costs little.)
  ///   - pieces: how many pieces hold output at a time, the one that is being filled included.
  func decompressor(zstdWindowLog: Int32, checksItself: Bool, pieces: Int) throws(EngineError)
    -> any Decompressor
  {
    switch self {
    case .gzip: try GzipDecompressor()
    case .zstd: try ZstdDecompressor(windowLog: zstdWindowLog, checksItself: checksItself, pieces: pieces)
    case .none: PlainDecompressor()
    }
  }
}

extension EngineError {
  /// For what is not the format that it began as.
  static func damaged(_ format: String, _ why: String) -> EngineError {
    EngineError(
      .corrupt, "cannot decompress the layer", causes: ["\(format): \(why)"],
      hint: "the archive is damaged or not complete; get it again")
  }
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

  func run(_ input: UnsafeRawBufferPointer, into piece: BytePipe.Piece) throws(EngineError)
    -> (consumed: Int, produced: Int)
  {
    if isBetweenMembers, let first = input.first {
      if hasMember, first == 0 || isPadding {
        isPadding = true
        guard input.allSatisfy({ $0 == 0 }) else { throw .damaged("gzip", "bytes follow its end") }
        return (input.count, 0)
      }
      if hasMember { cisal_inflate_next_member(state) }
      isBetweenMembers = false
      hasMember = true
    }
    let output = piece.room
    var consumed = 0
    var produced = 0
    let result = cisal_inflate_run(
      state, input.baseAddress, input.count, &consumed, output.baseAddress, output.count, &produced)
    guard result >= 0 else { throw .damaged("gzip", "ISA-L's error \(result)") }
    if result == 1 { isBetweenMembers = true }
    piece.count += produced
    return (consumed, produced)
  }

  func finish() throws(EngineError) {
    guard isBetweenMembers, hasMember else { throw .damaged("gzip", "it ends in the middle") }
  }
}

final class PlainDecompressor: Decompressor {
  func run(_ input: UnsafeRawBufferPointer, into piece: BytePipe.Piece) -> (consumed: Int, produced: Int) {
    let output = piece.room
    let count = min(input.count, output.count)
    output.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[..<count]))
    piece.count += count
    return (count, count)
  }

  func finish() {}
}
