package import EngineErrors
import LinuxSystem
import Synchronization
import SystemPackage

/// Brings what one piece of work adds to the store to the disk: some of it while the work goes on, all of it at its end.
///
/// It is made when the work begins, before anything is written: the kernel tells of a block that could not be written
/// only those who had the file system open by then (fs/sync.c, errseq_t), so that a later descriptor would miss it.
package final class Writeback: Sendable {
  /// Bytes between two times of asking. Small enough to leave little for the end, large enough that small work asks once.
  private static let step: Int64 = 32 << 20

  private let root: FilePath
  private let start: OwnedDescriptor
  private let unasked = Atomic<Int64>(0)
  private let isAsking = Atomic(false)

  init(root: FilePath) throws(EngineError) {
    self.root = root
    do {
      start = OwnedDescriptor(try Self.open(root))
    } catch {
      throw EngineError("open the store", wrapping: error, subject: root.string)
    }
  }

  /// Says that so many bytes more were written, or about as many: now and then the disk is set to work on them, by a
  /// thread that nobody waits for. Durable is nothing by this.
  package func written(_ count: Int) {
    let total = unasked.add(Int64(count), ordering: .relaxed).newValue
    guard total >= Self.step, !isAsking.exchange(true, ordering: .relaxed) else { return }
    unasked.store(0, ordering: .relaxed)
    do {
      _ = try WorkerThread("writeback") { [self] in
        // By a descriptor of its own: the first one is to learn of every error at the end.
        if let own = try? Self.open(root) {
          try? own.syncFileSystem()
          try? own.close()
        }
        isAsking.store(false, ordering: .relaxed)
      }
    } catch {
      // It only makes the end longer.
      isAsking.store(false, ordering: .relaxed)
    }
  }

  /// Waits until all that was written to the store is on the disk (syncfs(2)). Blocks.
  ///
  /// - Throws: also for a block that could not be written at any time since this was made.
  package func finish() throws(EngineError) {
    do { try start.descriptor.syncFileSystem() } catch {
      throw EngineError("sync the store", error, subject: root.string)
    }
  }

  private static func open(_ root: FilePath) throws -> FileDescriptor {
    try FileDescriptor.open(root, .readOnly, options: [.directory, .closeOnExec])
  }
}
