package import OCIModel

package enum ContainerState: Sendable, Hashable {
  case created
  case running(pid: Int32)
  case exited(ContainerExit)
}

/// A container as the engine tells of it. Times are in nanoseconds since 1970.
package struct ContainerSummary: Sendable {
  package var id: String
  package var name: String
  package var image: String
  package var imageDigest: Digest
  package var command: [String]
  package var state: ContainerState
  package var labels: [String: String]
  package var createdAt: Int64
  package var startedAt: Int64?
}

package struct ContainerDetails: Sendable {
  package var summary: ContainerSummary
  package var options: ContainerOptions
  package var spec: RuntimeSpec
  /// The writable layer on the host.
  package var upperDirectory: String
  package var logPath: String
}
