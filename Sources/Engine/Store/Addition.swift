import ContentStore
import EngineErrors
import LinuxSystem
import Metadata
import Synchronization
import SystemPackage

/// One piece of work that adds to the store: while it lasts nothing is collected, what it writes is on its way to the
/// disk, and what is finished is measured.
final class Addition: Sendable {
  private let held: FileLock
  private let writeback: Writeback
  /// In bytes.
  private let sizes = Mutex<[StoreItem: Int64]>([:])

  fileprivate init(_ held: FileLock, _ writeback: Writeback) {
    self.held = held
    self.writeback = writeback
  }

  /// Says that about so many bytes more were written.
  func written(_ count: Int) { writeback.written(count) }

  /// Says what an item takes up on the disk, in bytes, so that it is not measured at the end.
  func measured(_ item: StoreItem, _ size: Int64) { sizes.withLock { $0[item] = size } }

  fileprivate var measuredSizes: [StoreItem: Int64] { sizes.withLock { $0 } }

  /// Waits until all that was added is on the disk. Blocks.
  func sync() throws(EngineError) { try writeback.finish() }

  /// Lets the collection of garbage go on; again it does nothing.
  func end() { held.release() }
}

extension ContainerEngine {
  /// Waits while garbage is collected. The caller ends the addition.
  func beginAddition() async throws -> Addition {
    let held = try await locks.holdContent()
    do { return Addition(held, try content.beginWriteback()) } catch {
      held.release()
      throw error
    }
  }

  /// Waits until all that the images need is on the disk, and meanwhile measures what of it is new.
  ///
  /// - Returns: what the new items take up, in bytes.
  func makeDurable(_ images: [ImageRecord], _ addition: Addition) async throws -> [StoreItem: Int64] {
    let sizes = addition.measuredSizes
    let fresh = try metadata.unmeasured(among: images.reduce(into: []) { $0.formUnion($1.items) })
      .subtracting(sizes.keys)
    async let others = onBlockingThread("measure") { [self] in
      try Dictionary(uniqueKeysWithValues: fresh.map { ($0, try diskUsage(of: $0)) })
    }
    Failpoint.imageWhole.pass()
    try await onBlockingThread("sync") { try addition.sync() }
    Failpoint.storeSynced.pass()
    return try await sizes.merging(others) { $1 }
  }

  /// In bytes.
  func diskUsage(of item: StoreItem) throws -> Int64 { try LinuxSystem.diskUsage(of: path(of: item)) }

  func path(of item: StoreItem) -> FilePath {
    switch item.kind {
    case .blob: content.path(of: item.digest)
    case .layer: snapshots.place(of: item.digest)
    }
  }
}
