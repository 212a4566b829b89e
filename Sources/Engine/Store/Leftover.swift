import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import SystemPackage

/// Something in the store that no row of the database names.
struct Leftover: Sendable {
  enum Kind: Sendable {
    /// A part of a blob.
    case download(blob: Digest)
    case item(StoreItem)
    /// A tree that is being made or removed, or was when its service was killed.
    case remains
    /// The directory of a container, likewise.
    case container(id: String)
  }
  var kind: Kind
  var path: FilePath
}

extension ContainerEngine {
  /// All that no row names. While others add content, some of it is theirs.
  func leftovers(_ containers: [ContainerRecord]) throws -> [Leftover] {
    let ids = Set(containers.map(\.id))
    let (namedBlobs, namedLayers) = (try metadata.itemsInUse(.blob), try metadata.itemsInUse(.layer))
    let blobs = try content.list().filter { !namedBlobs.contains($0) }.map { StoreItem(.blob, $0) }
    let layers = try snapshots.list().filter { !namedLayers.contains($0) }.map { StoreItem(.layer, $0) }
    var leftovers = (blobs + layers).map {
      Leftover(kind: .item($0), path: path(of: $0))
    }
    for (blob, path) in try content.partialFiles() {
      leftovers.append(Leftover(kind: blob.map { .download(blob: $0) } ?? .remains, path: path))
    }
    leftovers += try unfinishedCacheMounts().map { Leftover(kind: .remains, path: $0) }
    leftovers += try snapshots.stagedTrees().map { Leftover(kind: .remains, path: $0) }
    let volumes = Set(try metadata.volumes().map(\.record.name))
    leftovers += try snapshots.volumeNames().filter { !volumes.contains($0) }.map {
      Leftover(kind: .remains, path: snapshots.volumeDirectory($0))
    }
    leftovers += try snapshots.containerIDs().filter { !ids.contains($0) }.map {
      Leftover(kind: .container(id: $0), path: snapshots.containerDirectory($0))
    }
    return leftovers
  }

  /// For whoever holds the collection lock alone.
  func remove(_ leftover: Leftover) throws {
    switch leftover.kind {
    case .item(let item) where item.kind == .blob: try content.remove(item.digest)
    case .item(let item): try removeLayer(item.digest)
    case .container(let id): try snapshots.removeContainer(id)
    case .download: try removeFile(leftover.path)
    case .remains: try removeTree(leftover.path)
    }
  }
}
