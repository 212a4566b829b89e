package import OCIModel
import Runner

/// What a container is made from. Kept with the container, so that `inspect` can tell it and a later start
/// does the same.
///
/// A member that is added gets its value for containers of older stores in `Metadata/Schema.swift`, unless it is optional.
package struct ContainerOptions: Hashable, Sendable, Codable {
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
  /// Besides the user's own.
  package var addedGroups: [String]?
  package var hostname: String?
  package var network: NetworkMode = .none
  /// With `NetworkMode.container`, whose network it joins.
  package var networkContainer: String?
  /// With `NetworkMode.bridge`, what it is connected to when it is made; later the database says what it is connected to.
  package var networks: [NetworkAttachment]?
  package var extraHosts: [HostAddress]?
  package var nameServers: NameServers?
  /// With `NetworkMode.bridge`, ports of the host's that lead to it.
  package var ports: [PortMapping]?
  /// Whether what the image exposes is among them.
  package var publishesExposed: Bool?
  /// Whether the process's standard input can be written to; /dev/null otherwise.
  package var opensStdin = false
  package var terminal: TerminalOptions?
  package var labels: [String: String] = [:]
  package var stopSignal: String?
  /// How long `stop` waits before it kills, in milliseconds.
  package var stopTimeoutMilliseconds: Int?
  /// Whether the container goes when it exits.
  package var autoRemove = false
  package var lifetime: Lifetime?
  /// Whether a first process of the engine's own reaps orphans.
  package var hasInit: Bool?
  package var restart: RestartPolicy?
  /// What it leaves out is the image's.
  package var health: ImageConfig.Healthcheck?

  package var limits: ResourceLimits?
  package var ulimits: [Ulimit]?
  package var sharedMemoryBytes: Int64?
  package var oomScoreAdjust: Int32?
  package var logLimits: LogLimits?

  package var mounts: [MountOptions]?
  package var devices: [DeviceAccess]?
  package var sysctls: [String: String]?
  package var hasReadOnlyRoot = false
  package var noNewPrivileges = false
  package var addedCapabilities: [String]?
  package var droppedCapabilities: [String]?
  package var seccomp: SeccompChoice?
  /// Instead of the usual ones.
  package var maskedPaths: [String]?
  package var readOnlyPaths: [String]?
  package var isPrivileged: Bool?
  package var userNamespace: UserNamespaceMode?
  package var pidNamespace: NamespaceChoice?
  package var ipcNamespace: NamespaceChoice?
  package var utsNamespace: NamespaceChoice?
  package var cgroupNamespace: NamespaceChoice?

  /// Of an instruction of a build, kept to look into it: its image goes with it.
  package internal(set) var isBuildStep: Bool?
  /// Those of its mounts and those of its image.
  package internal(set) var volumes: [ContainerVolume]?
  /// Nil where nothing looks at its health; what the image says is in it.
  package internal(set) var resolvedHealth: HealthPlan?
  /// What runs, after the image's part was added.
  package internal(set) var resolvedCommand: [String] = []

  package init(image: String) { self.image = image }

  package static let standardStopTimeout = 10_000
}

/// How long a container stays.
package enum Lifetime: String, Hashable, Sendable, Codable {
  case persistent
  /// Until the session that made it ends, however it ends.
  case session
}

package struct TerminalOptions: Hashable, Sendable, Codable {
  package var rows: Int
  package var columns: Int

  package init(rows: Int = 24, columns: Int = 80) {
    self.rows = rows
    self.columns = columns
  }
}

/// How much of a container's output is kept; the oldest goes first. Without any, all is.
package struct LogLimits: Hashable, Sendable, Codable {
  /// The size in bytes at which the log is begun anew.
  package var fileBytes: Int64
  /// How many such parts there are at most, with the present one.
  package var files: Int

  package init(fileBytes: Int64 = 10 << 20, files: Int = 2) {
    self.fileBytes = fileBytes
    self.files = files
  }

  var runner: LogLimit {
    LogLimit(fileBytes: UInt64(clamping: fileBytes), files: UInt64(clamping: files))
  }
}
