package import EngineErrors
import LinuxSystem
package import OCIModel
import Synchronization

/// A layer's archive on its way into a blob: a thread of its own hashes and compresses what the caller's thread writes.
///
/// `write` and `finish` belong to one thread. One that is dropped before `finish` stops.
package final class LayerArchive: Sendable {
  private let pipe = BytePipe(pieces: 4, size: 256 << 10)
  private let worker: WorkerThread
  private let filling = Mutex<BytePipe.Piece?>(nil)
  private let outcome = Outcome()

  private final class Outcome: Sendable {
    let diffID = Mutex<Digest?>(nil)
  }

  /// - Parameter sink: gets the compressed bytes in order, on the thread.
  package init(_ sink: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void) throws {
    let (pipe, outcome) = (pipe, outcome)
    worker = try WorkerThread("compress") {
      do {
        let compressor = try LayerCompressor { try sink($0) }
        var hasher = SHA256()
        while let piece = try pipe.receive() {
          hasher.update(piece.bytes)
          try compressor.write(piece.bytes)
          pipe.recycle(piece)
        }
        try compressor.finish()
        let digest = hasher.finish()
        outcome.diffID.withLock { $0 = digest }
      } catch {
        pipe.fail(EngineError("compress the layer", wrapping: error))
      }
    }
  }

  deinit { cancel() }

  /// Takes the next bytes; blocks while the thread is behind.
  ///
  /// - Throws: what the sink failed with.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(EngineError) {
    var rest = bytes
    while !rest.isEmpty {
      let piece: BytePipe.Piece
      if let current = filling.withLock({ $0.take() }) { piece = current } else { piece = try pipe.vacant() }
      let room = piece.room
      let count = min(room.count, rest.count)
      room.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
      piece.count += count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      if piece.room.isEmpty { pipe.send(piece) } else { filling.withLock { $0 = piece } }
    }
  }

  /// Waits until the sink has all.
  ///
  /// - Returns: the digest of the archive as it was written.
  /// - Throws: as `write`.
  package func finish() throws(EngineError) -> Digest {
    if let last = filling.withLock({ $0.take() }) { pipe.send(last) }
    pipe.finish()
    worker.join()
    if let error = pipe.error { throw error }
    guard let digest = outcome.diffID.withLock({ $0 }) else {
      throw EngineError(.internal, "cannot compress the layer: its thread ended early")
    }
    return digest
  }

  /// Stops, and returns when the thread has. After `finish` it does nothing.
  package func cancel() {
    pipe.fail(.cancelled("compressing the layer"))
    worker.join()
  }
}
