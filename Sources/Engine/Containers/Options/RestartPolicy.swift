/// Whether a container starts again by itself when it ends.
package struct RestartPolicy: Hashable, Sendable, Codable {
  package enum Kind: String, Hashable, Sendable, Codable {
    case never, onFailure, always, unlessStopped
  }
  package var kind: Kind
  /// With `onFailure`, how often in a row; nil is without an end.
  package var maximumRetries: Int?

  package init(_ kind: Kind, maximumRetries: Int? = nil) {
    self.kind = kind
    self.maximumRetries = maximumRetries
  }

  package static let never = RestartPolicy(.never)
}
