import EngineErrors
import LinuxSystem

/// A bounded pipe of bytes between two threads, in pieces of one size that go round and round. Each thread wakes the other by
/// what it gives, and not by what it takes.
final class BytePipe: Sendable {
  /// A piece and how much of it is filled. One thread has it at a time.
  final class Piece: @unchecked Sendable {
    // Handed from thread to thread through the pipe's lock, and used by its holder alone.
    private let own: UnsafeMutableRawBufferPointer
    private var memory: UnsafeMutableRawBufferPointer
    private var lender: AnyObject?
    var count = 0

    init(size: Int) {
      own = .allocate(byteCount: size, alignment: 64)
      memory = own
    }
    deinit { own.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }
    var room: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: memory[count...]) }

    /// Puts other memory in the place of an empty piece's own, which stays untouched, until it is emptied.
    ///
    /// - Parameter lender: keeps that memory, and is kept.
    func borrow(_ memory: UnsafeMutableRawBufferPointer, of lender: AnyObject) {
      self.memory = memory
      self.lender = lender
    }

    func borrows(of lender: AnyObject) -> Bool { self.lender === lender }

    /// Leaves no room.
    func close() { memory = UnsafeMutableRawBufferPointer(rebasing: memory[..<count]) }

    func empty() {
      count = 0
      memory = own
      lender = nil
    }
  }

  private struct State {
    var filled: [Piece] = []
    var free: [Piece]
    /// How many free pieces the filling thread waits for.
    var needed = 1
    var isFinished = false
    var error: EngineError?
  }

  /// How many pieces there are.
  let pieces: Int
  private let state: Condition<State>
  private let half: Int

  init(pieces: Int, size: Int) {
    self.pieces = pieces
    half = max(1, pieces / 2)
    state = Condition(State(free: (0..<pieces).map { _ in Piece(size: size) }))
  }

  /// An empty piece to fill; blocks while all are under way, and then until half of them are empty: so two threads of
  /// which one is faster do not take turns at each piece.
  ///
  /// - Throws: the error with which the pipe was broken.
  func vacant() throws(EngineError) -> Piece {
    state.changePerhaps {
      $0.needed = $0.free.isEmpty ? half : 1
      return false
    }
    return try state.waitQuietly(until: { $0.free.count >= $0.needed || $0.error != nil }) {
      state throws(EngineError) in
      if let error = state.error { throw error }
      return state.free.removeLast()
    }
  }

  func send(_ piece: Piece) {
    state.change { $0.filled.append(piece) }
  }

  /// No more comes.
  func finish() { state.change { $0.isFinished = true } }

  /// The next piece, to be given back by `recycle`; blocks until there is one. Nil at the end.
  func receive() throws(EngineError) -> Piece? {
    try state.waitQuietly(until: { !$0.filled.isEmpty || $0.isFinished || $0.error != nil }) {
      state throws(EngineError) in
      if let error = state.error { throw error }
      return state.filled.isEmpty ? nil : state.filled.removeFirst()
    }
  }

  func recycle(_ piece: Piece) {
    piece.empty()
    state.changePerhaps {
      $0.free.append(piece)
      return $0.free.count == $0.needed
    }
  }

  /// With which the pipe was broken.
  var error: EngineError? { state.read { $0.error } }

  /// Makes both ends throw; the first error stays.
  func fail(_ error: EngineError) { state.change { $0.error = $0.error ?? error } }
}
