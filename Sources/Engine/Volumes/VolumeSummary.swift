package import Metadata

/// A volume as the engine tells of it.
package struct VolumeSummary: Sendable {
  package var record: VolumeRecord
  /// What containers see of it, on the host.
  package var path: String
  /// The names of those that use it, sorted.
  package var containers: [String]
}

/// A volume of a container, as it is kept with it.
package struct ContainerVolume: Hashable, Sendable, Codable {
  package var name: String
  /// In the container, without `..` and slashes at its end.
  package var target: String
  package var isReadOnly: Bool
  /// What of it is there; all of it where nil.
  package var subpath: String?
  /// Made for this container, which named none.
  package var isAnonymous: Bool
}

/// A volume that was made of an archive, or filled with one.
package struct ImportedVolume: Sendable {
  package var volume: VolumeSummary
  package var entries: Int
  /// What was left out and why, a sentence each.
  package var warnings: [String]
}
