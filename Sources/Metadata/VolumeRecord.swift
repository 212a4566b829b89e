/// A volume from its creation to its removal.
package struct VolumeRecord: Hashable, Sendable {
  /// Unique, and the name of its directory.
  package var name: String
  /// Made for one container, which named none.
  package var isAnonymous: Bool
  /// Times are nanoseconds since 1970.
  package var createdAt: Int64
  /// Since when no container uses it: its creation, or when the last one went; while one does, when the one before it went.
  package var unusedSince: Int64
  package var labels: [String: String]
  /// The session that it goes with; nil for one that stays.
  package var session: String?

  package init(
    name: String, isAnonymous: Bool = false, createdAt: Int64, labels: [String: String] = [:],
    session: String? = nil
  ) {
    self.name = name
    self.isAnonymous = isAnonymous
    self.createdAt = createdAt
    self.unusedSince = createdAt
    self.labels = labels
    self.session = session
  }
}

/// A volume with the names of the containers that use it, sorted.
package struct UsedVolume: Hashable, Sendable {
  package var record: VolumeRecord
  package var containers: [String]

  package init(record: VolumeRecord, containers: [String]) {
    self.record = record
    self.containers = containers
  }
}
