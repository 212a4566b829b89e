package import Metadata
package import OCIModel
package import Runner

/// A container as the engine tells of it. Times are in nanoseconds since 1970.
package struct ContainerSummary: Sendable {
  package var id: String
  package var name: String
  package var image: String
  package var imageDigest: Digest
  package var command: [String]
  package var state: ContainerState
  /// Of its first process, while it runs.
  package var pid: Int32?
  /// Once it has exited.
  package var exit: ExitStatus?
  package var labels: [String: String]
  /// While it lives, and where something looks at it.
  package var health: ContainerHealth?
  package var restartCount: Int64
  package var createdAt: Int64
  package var startedAt: Int64?
  /// While it lives.
  package var ports: [ForwardedPort]
}

package struct ContainerDetails: Sendable {
  package var summary: ContainerSummary
  package var options: ContainerOptions
  package var spec: RuntimeSpec
  package var healthResults: [HealthResult]
  package var stopSignal: String
  /// On the host, as are the paths.
  package var upperDirectory: String
  package var logPath: String
  package var runtimeConfigPath: String
  package var warnings: [ContainerWarning]
  /// What it is connected to.
  package var networks: [EndpointSummary]
  /// Its control group, while it has one.
  package var controlGroup: String?
}
