extension RuntimeSpec {
  /// Programs that a runtime runs at points of a container's life, each with the container's state on standard input.
  package struct Hooks: Hashable, Sendable, Codable {
    /// Deprecated, and used by Docker for its networks: as `createRuntime`.
    package var prestart: [Hook]?
    /// In the runtime's namespaces, when the container's are there and its root is not entered yet.
    package var createRuntime: [Hook]?
    /// In the container's namespaces, before its root is entered.
    package var createContainer: [Hook]?
    /// In the container, in front of its command.
    package var startContainer: [Hook]?
    package var poststart: [Hook]?
    package var poststop: [Hook]?
    package init() {}
  }

  package struct Hook: Hashable, Sendable, Codable {
    package var path: String
    package var args: [String]?
    package var env: [String]?
    /// In seconds.
    package var timeout: Int64?
    package init(_ path: String, args: [String]? = nil) {
      self.path = path
      self.args = args
    }
  }

  /// A range of ids of a user namespace and what they are outside.
  package struct IDMapping: Hashable, Sendable, Codable {
    package var containerID: UInt32
    package var hostID: UInt32
    package var size: UInt32
    package init(containerID: UInt32, hostID: UInt32, size: UInt32) {
      self.containerID = containerID
      self.hostID = hostID
      self.size = size
    }
  }
}
