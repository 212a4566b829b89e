package import Metadata

/// What the store takes up on the disk, and for what; all in bytes of whole blocks, as du(1) counts.
package struct StoreUsage: Sendable {
  package var images: [ImageUsage]
  /// What several images need, each thing once.
  package var sharedBytes: Int64
  /// What images need that no container was made from.
  package var reclaimableImageBytes: Int64
  package var containers: [ContainerUsage]
  package var volumes: [VolumeUsage]
  /// What nothing needs.
  package var leftoverBytes: Int64
  /// The engine's own files.
  package var overheadBytes: Int64

  /// What one image alone needs, of all images.
  package var uniqueBytes: Int64 { images.reduce(0) { $0 + $1.image.uniqueBytes } }
  package var containerBytes: Int64 { containers.reduce(0) { $0 + $1.bytes } }
  package var reclaimableContainerBytes: Int64 {
    containers.reduce(0) { $0 + ($1.record.state == .running ? 0 : $1.bytes) }
  }
  package var volumeBytes: Int64 { volumes.reduce(0) { $0 + $1.bytes } }
  /// What no container uses.
  package var reclaimableVolumeBytes: Int64 { volumes.reduce(0) { $0 + ($1.containers == 0 ? $1.bytes : 0) } }
  package var totalBytes: Int64 {
    uniqueBytes + sharedBytes + containerBytes + volumeBytes + leftoverBytes + overheadBytes
  }
}

package struct VolumeUsage: Sendable {
  package var name: String
  /// What is in it.
  package var bytes: Int64
  /// How many use it.
  package var containers: Int
}

package struct ImageUsage: Sendable {
  package var image: ImageSummary
  /// How many were made from it.
  package var containers: Int
}

package struct ContainerUsage: Sendable {
  package var record: ContainerRecord
  /// Its own layer, its configuration and its log.
  package var bytes: Int64
}
