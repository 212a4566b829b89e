/// An image's configuration (OCI image specification, "Image Configuration").
package struct ImageConfig: Hashable, Sendable, Codable {
  package var created: String?
  package var author: String?
  package var architecture: String
  package var os: String
  package var variant: String?
  package var config: Execution?
  package var rootfs: RootFS
  package var history: [History]?

  package init(
    created: String? = nil, platform: Platform = .host, config: Execution? = nil, rootfs: RootFS,
    history: [History]? = nil
  ) {
    self.created = created
    architecture = platform.architecture
    os = platform.os
    variant = platform.variant
    self.config = config
    self.rootfs = rootfs
    self.history = history
  }

  package var platform: Platform { Platform(os: os, architecture: architecture, variant: variant) }

  /// The defaults for a container that runs the image.
  package struct Execution: Hashable, Sendable, Codable {
    package var user: String?
    package var exposedPorts: [String: Empty]?
    package var env: [String]?
    package var entrypoint: [String]?
    package var cmd: [String]?
    package var volumes: [String: Empty]?
    package var workingDir: String?
    package var labels: [String: String]?
    package var stopSignal: String?
    // Docker's, beyond the specification.
    /// In seconds.
    package var stopTimeout: Int?
    package var healthcheck: Healthcheck?
    package var onBuild: [String]?
    package var shell: [String]?

    package init() {}

    private enum CodingKeys: String, CodingKey {
      case user = "User"
      case exposedPorts = "ExposedPorts"
      case env = "Env"
      case entrypoint = "Entrypoint"
      case cmd = "Cmd"
      case volumes = "Volumes"
      case workingDir = "WorkingDir"
      case labels = "Labels"
      case stopSignal = "StopSignal"
      case stopTimeout = "StopTimeout"
      case healthcheck = "Healthcheck"
      case onBuild = "OnBuild"
      case shell = "Shell"
    }
  }

  /// How to find out whether a container is well. Times are in nanoseconds; absent is as good as 0: the default.
  package struct Healthcheck: Hashable, Sendable, Codable {
    package var test: [String]?
    package var interval: Int64?
    package var timeout: Int64?
    package var startPeriod: Int64?
    /// Between two tests in the start period.
    package var startInterval: Int64?
    package var retries: Int64?

    package init() {}

    private enum CodingKeys: String, CodingKey {
      case test = "Test"
      case interval = "Interval"
      case timeout = "Timeout"
      case startPeriod = "StartPeriod"
      case startInterval = "StartInterval"
      case retries = "Retries"
    }
  }

  /// The value of a JSON object that serves as a set.
  package struct Empty: Hashable, Sendable, Codable {
    package init() {}
  }

  package struct RootFS: Hashable, Sendable, Codable {
    package var type: String
    /// The digests of the uncompressed layers, the lowest first.
    package var diffIDs: [Digest]

    package init(diffIDs: [Digest]) {
      type = "layers"
      self.diffIDs = diffIDs
    }

    package init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      type = try container.decodeIfPresent(String.self, forKey: .type) ?? "layers"
      // Programs in Go write an empty list as null.
      diffIDs = try container.decodeIfPresent([Digest].self, forKey: .diffIDs) ?? []
    }

    private enum CodingKeys: String, CodingKey {
      case type
      case diffIDs = "diff_ids"
    }
  }

  package struct History: Hashable, Sendable, Codable {
    package var created: String?
    package var createdBy: String?
    package var author: String?
    package var comment: String?
    package var emptyLayer: Bool?

    package init(
      created: String? = nil, createdBy: String? = nil, comment: String? = nil, emptyLayer: Bool? = nil
    ) {
      self.created = created
      self.createdBy = createdBy
      self.comment = comment
      self.emptyLayer = emptyLayer
    }

    private enum CodingKeys: String, CodingKey {
      case created
      case createdBy = "created_by"
      case author
      case comment
      case emptyLayer = "empty_layer"
    }
  }
}
