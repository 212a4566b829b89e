import EngineErrors
import Glibc

/// The memory that zstd's blocks are decoded into, one after the other and round and round, and that pieces borrow until they
/// were read. Written by one thread.
///
/// Invariant: the step that is written next, from `position` on, has no byte in it that a piece shows or a block may refer back
/// to. Pieces are sent and given back in order, and at most `pieces` are under way, of two steps each; blocks refer back by
/// `history` at most. So both are among the newest bytes, as many as the larger of the two, `kept`. Those of this turn lie in front
/// of `position`. Those of the turn before lie in front of where it ended, which is past `size - step`, for otherwise another
/// step would have had room: the oldest of them is past `size - step - (kept - position)`. With a `size` of `kept` and
/// two steps that is past the end of the step. None is from an earlier turn, as each has more than `kept`.
///
/// `@unchecked Sendable`: other threads keep it, and read what the pieces show them only.
final class WindowRing: @unchecked Sendable {
  /// Of the format, compressed or not.
  static let largestBlock = 128 << 10
  /// What decoding one block may write: libzstd copies in strides that go beyond its end.
  static let step = largestBlock + 64

  private let memory: UnsafeMutableRawBufferPointer
  private var position = 0

  private init(size: Int) throws(EngineError) {
    guard let start = malloc(size) else {
      throw EngineError(.internal, "cannot decompress the layer: no memory for its zstd window")
    }
    memory = UnsafeMutableRawBufferPointer(start: start, count: size)
  }

  deinit { free(memory.baseAddress) }

  /// - Parameters:
  ///   - history: how far back blocks refer, in bytes.
  ///   - pieces: how many may borrow of it at a time.
  ///   - ring: goes on where it is large enough. Otherwise it stays as long as pieces borrow of it.
  static func holding(_ history: UInt64, pieces: Int, instead ring: WindowRing?) throws(EngineError)
    -> WindowRing
  {
    guard history <= 1 << 31 else {
      throw EngineError(.internal, "cannot decompress the layer: its zstd window is too large")
    }
    // A power of two: so all rings that came before, and that pieces may still borrow of, are not more memory than this one.
    let window = 1 << (UInt64.bitWidth - (max(history, 1) - 1).leadingZeroBitCount)
    let kept = max(window, pieces * 2 * step)
    if let ring, ring.memory.count >= kept + 2 * step { return ring }
    return try WindowRing(size: kept + 2 * step)
  }

  /// Gives an empty piece its memory.
  ///
  /// - Returns: whether a step has room in the piece. Where not, it is closed: it has to be sent first.
  func lend(to piece: BytePipe.Piece) -> Bool {
    if piece.count == 0 {
      if memory.count - position < Self.step { position = 0 }
      piece.borrow(
        UnsafeMutableRawBufferPointer(rebasing: memory[position...].prefix(2 * Self.step)), of: self)
    }
    let isRoom = piece.borrows(of: self) && piece.room.count >= Self.step
    if !isRoom { piece.close() }
    return isRoom
  }

  /// After a block was decoded into the piece's room.
  func advance(_ count: Int, _ piece: BytePipe.Piece) {
    position += count
    piece.count += count
    if piece.room.count < Self.step { piece.close() }
  }
}
