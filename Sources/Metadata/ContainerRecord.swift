package import OCIModel

/// A container from its creation to its removal.
package struct ContainerRecord: Hashable, Sendable {
  package var id: String
  /// Unique among all containers.
  package var name: String
  /// The manifest of its image, which cannot be removed while this row is there.
  package var imageDigest: Digest
  /// The image's name as it was given.
  package var imageName: String
  package var state: ContainerState
  /// Of the container's first process, as this machine sees it; nil unless running.
  package var pid: Int32?
  /// Times are nanoseconds since 1970.
  package var createdAt: Int64
  package var startedAt: Int64?
  package var finishedAt: Int64?
  /// How it ended; nil before.
  package var exit: ContainerExit?
  /// Nobody saw its end: its shim or the machine went down first.
  package var isLost = false
  /// How often its restart policy has started it since it was last started by a request.
  package var restartCount: Int64 = 0
  /// How much of what its shim wrote about this run's restarts the journal has, in bytes.
  package var livesRead: Int64 = 0
  /// Somebody stopped it: its restart policy rests until it is started again.
  package var isStopped = false
  /// The last that was known; nil where nothing looks at it. A start begins anew.
  package var health: ContainerHealth?
  /// Processes that were killed for want of memory since the start, as far as the journal has them.
  package var outOfMemoryKills: Int64 = 0
  /// The session that it goes with; nil for one that stays.
  package var session: String?
  /// What the caller asked for, as JSON; this module does not look into it.
  package var options: String

  package init(
    id: String, name: String, imageDigest: Digest, imageName: String, createdAt: Int64,
    options: String = "{}"
  ) {
    self.id = id
    self.name = name
    self.imageDigest = imageDigest
    self.imageName = imageName
    self.state = .created
    self.createdAt = createdAt
    self.options = options
  }
}

package enum ContainerState: String, Hashable, Sendable, CaseIterable {
  case created, running, paused
  /// Its first process has ended, and its shim will start it again.
  case restarting
  case exited

  /// Those in which its shim lives.
  package static let live: Set<ContainerState> = [.running, .paused, .restarting]
}

package enum ContainerHealth: String, Hashable, Sendable, CaseIterable {
  case starting, healthy, unhealthy
}

/// How a container's first process ended.
package enum ContainerExit: Hashable, Sendable {
  case exited(code: Int32)
  case signalled(signal: Int32)
}
