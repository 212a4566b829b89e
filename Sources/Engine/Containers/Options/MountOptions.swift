/// Something that is mounted in a container besides the usual.
package struct MountOptions: Hashable, Sendable, Codable {
  package enum Kind: String, Hashable, Sendable, Codable { case bind, tmpfs, volume }
  package enum Propagation: String, Hashable, Sendable, Codable { case `private`, slave, shared }

  package var kind: Kind
  /// In the container.
  package var target: String
  /// On the host, for a bind mount; a volume's name, or nil for a new anonymous one.
  package var source: String?
  /// What of the source is mounted, a path beneath it; all of it where nil.
  package var subpath: String?
  /// Whether an empty volume gets what the image has at the target; so where nil.
  package var copiesContent: Bool?
  /// Of a volume that is made.
  package var labels: [String: String]?
  package var isReadOnly = false
  package var createsSource = false
  package var isRecursive = true
  package var propagation: Propagation = .private
  package var isIDMapped = false
  package var sizeBytes: Int64?
  package var mode: Int?
  /// Such as noexec.
  package var options: [String] = []

  package init(_ kind: Kind, target: String) {
    self.kind = kind
    self.target = target
  }
}

/// A device of the host's in a container.
package struct DeviceAccess: Hashable, Sendable, Codable {
  package var path: String
  /// The same as `path` where nil.
  package var target: String?
  /// Of r, w and m; all of them where nil.
  package var access: String?

  package init(path: String, target: String? = nil, access: String? = nil) {
    self.path = path
    self.target = target
    self.access = access
  }
}
