package enum NetworkMode: String, Hashable, Sendable, Codable {
  /// A network namespace of its own with a loopback interface.
  case none
  /// A network namespace of its own with an interface in each of `ContainerOptions.networks`.
  case bridge
  /// The namespace of the service.
  case host
  /// The namespace of another container.
  case container
}

/// Whose namespace a container has.
package enum NamespaceChoice: Hashable, Sendable, Codable {
  case `private`
  /// The service's.
  case host
  /// Of a container that runs at each start, by name or id.
  case container(String)
}

package enum UserNamespaceMode: String, Hashable, Sendable, Codable {
  /// The service's.
  case host
  /// A range of ids that no other container has.
  case auto
}

/// Which system calls a container may make.
package enum SeccompChoice: Hashable, Sendable, Codable {
  case `default`
  case unconfined
  /// JSON, in the form of the OCI runtime configuration or of Docker's profiles.
  case custom(String)
}
