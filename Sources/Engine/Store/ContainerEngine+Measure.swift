import ContentStore
import EngineErrors
import LinuxSystem
import Metadata
import SystemPackage

/// What images take up on the disk.
extension ContainerEngine {
  /// Waits until all that the images need is on the disk, and meanwhile measures what of it is new.
  ///
  /// - Returns: in bytes.
  func makeDurable(_ images: [ImageRecord], _ writeback: Writeback) async throws -> [StoreItem: Int64] {
    let fresh = try metadata.unmeasured(among: images.reduce(into: []) { $0.formUnion($1.items) })
    async let sizes = onBlockingThread("measure") { [self] in
      try Dictionary(uniqueKeysWithValues: fresh.map { ($0, try LinuxSystem.diskUsage(of: path(of: $0))) })
    }
    Failpoint.imageWhole.pass()
    try await onBlockingThread("sync") { try writeback.finish() }
    Failpoint.storeSynced.pass()
    return try await sizes
  }

  func path(of item: StoreItem) -> FilePath {
    switch item.kind {
    case .blob: content.path(of: item.digest)
    case .layer: snapshots.place(of: item.digest)
    }
  }
}
