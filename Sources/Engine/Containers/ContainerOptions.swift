/// What a container is made from. Kept with the container, so that `inspect` can tell it and a later start
/// does the same.
package struct ContainerOptions: Sendable, Codable {
  /// An image's name or digest.
  package var image: String
  /// Nil for a generated one.
  package var name: String?
  /// Replaces the image's arguments.
  package var command: [String]?
  /// Replaces the image's entry point, and with it the image's arguments.
  package var entrypoint: [String]?
  package var environment: [String: String] = [:]
  package var workingDirectory: String?
  package var user: String?
  package var hostname: String?
  package var network: NetworkMode = .none
  /// Whether the process's standard input can be written to; /dev/null otherwise.
  package var opensStdin = false
  package var labels: [String: String] = [:]
  package var stopSignal: String?
  /// How long `stop` waits before it kills, in milliseconds.
  package var stopTimeoutMilliseconds = 10_000
  /// Whether the container goes when it exits.
  package var autoRemove = false
  package var hasReadOnlyRoot = false
  package var noNewPrivileges = false

  /// What runs, after the image's part was added.
  package internal(set) var resolvedCommand: [String] = []

  package init(image: String) { self.image = image }
}

package enum NetworkMode: String, Sendable, Codable {
  /// A network namespace of its own with a loopback interface.
  case none
  /// The namespace of the service.
  case host
}
