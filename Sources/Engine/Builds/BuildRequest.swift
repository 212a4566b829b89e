package import Dockerfile
import EngineErrors
package import OCIModel
package import SystemPackage

/// What is to be built, and from what.
package struct BuildRequest: Sendable {
  /// Nil for a Dockerfile that copies nothing of its own.
  package var context: BuildContext?
  /// In the context; `Dockerfile` where nil. With a text, only what that is called.
  package var dockerfile: String?
  /// Instead of a file.
  package var dockerfileText: [UInt8]?
  /// What the Dockerfile's own `.dockerignore` says, where the context has it not.
  package var ignoreText: [UInt8]?
  /// The last stage where nil.
  package var target: String?
  package var arguments: [String: String] = [:]
  package var labels: [String: String] = [:]
  /// The names that the image gets; none leaves it with its digest.
  package var references: [Reference] = []
  package var platform = Platform.host
  /// What a RUN has that asks for none of its own.
  package var network = BuildNetwork.automatic
  package var secrets: [String: BuildSecret] = [:]
  /// The sockets of SSH agents, by the ids under which RUNs ask for them.
  package var agents: [String: FilePath] = [:]
  /// What RUNs may ask for besides what they always may.
  package var entitlements: Set<BuildEntitlement> = []
  /// For `FROM`, `--from` and mounts, in the place of stages and images of these names.
  package var namedContexts: [String: NamedContext] = [:]
  package var usesCache = true
  /// Whether images are asked for at their registries also where they are there.
  package var pulls = false
  /// What it is written to; an image in the store where empty.
  package var outputs: [BuildOutput] = []
  /// What of it is kept to look into; nil where nothing is.
  package var debug: BuildDebug?
  /// Names under which builds have sent their caches to registries.
  package var cacheSources: [Reference] = []
  package var cacheTarget: BuildCacheTarget?

  package init() {}

  // MARK: Arguments that mean something to the builder, by BuildKit's names

  /// What RUNs are called where nobody said.
  static let hostname = "build"

  var hostname: String {
    arguments["BUILDKIT_SANDBOX_HOSTNAME"].flatMap { $0.isEmpty ? nil : $0 } ?? Self.hostname
  }

  /// - Throws: `invalidArgument` for what no RUN could be given, and for a Dockerfile out of the context.
  func validate() throws(EngineError) {
    for (name, value) in arguments.sorted(by: { $0.key < $1.key }) where (name + value).utf8.contains(0) {
      throw EngineError(
        .invalidArgument, "the build argument \(name.prefix { $0 != "\0" }) has a NUL in it",
        subject: "arguments", hint: "no variable can have one; give it as a secret that is mounted as a file")
    }
    guard (1...64).contains(hostname.utf8.count), !hostname.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F })
    else {
      throw EngineError(
        .invalidArgument, "BUILDKIT_SANDBOX_HOSTNAME is no host name: '\(hostname.prefix(100))'",
        subject: "arguments", hint: "give at most 64 bytes without blanks")
    }
    let path = IgnoreRules.clean(dockerfile ?? "")
    guard dockerfileText != nil || (path != ".." && !path.hasPrefix("../")) else {
      throw EngineError(
        .invalidArgument, "\(path.prefix(200)) is outside of the context", subject: "file",
        hint: "send what is in it as dockerfile")
    }
  }

  /// In front of the ids of caches that RUNs mount.
  var cacheNamespace: String? {
    arguments["BUILDKIT_CACHE_MOUNT_NS"].flatMap { $0.isEmpty ? nil : $0 + "/" }
  }

  /// Whether a context that is a git repository has its history.
  var keepsGitDirectory: Bool { ["1", "true"].contains(arguments["BUILDKIT_CONTEXT_KEEP_GIT_DIR"]) }

  /// Whether the image itself is to have the cache, which this builder sends apart.
  var wantsInlineCache: Bool { ["1", "true"].contains(arguments["BUILDKIT_INLINE_CACHE"]) }

  /// Whether an index is to be made also of one platform's image.
  var wantsIndex: Bool { ["1", "true"].contains(arguments["BUILDKIT_MULTI_PLATFORM"]) }

  /// The frontend that is to read the file, where it is not the one whose language this is.
  func otherFrontend(_ directives: Directives) -> String? {
    guard let text = arguments["BUILDKIT_SYNTAX"] ?? directives.syntax,
      // What is behind its name are arguments of its own.
      let name = text.split(separator: " ").first.map(String.init)
    else { return nil }
    let known = ["docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream"]
    guard let reference = try? Reference(parsing: name) else { return name }
    return known.contains("\(reference.registry)/\(reference.repository)") ? nil : name
  }

  /// Which rules count, instead of what the file says.
  var check: String? { arguments["BUILDKIT_DOCKERFILE_CHECK"] }

  var keepsImage: Bool { outputs.isEmpty || outputs.contains { $0.kind == .image } }
}

/// Which instruction's container is kept.
package struct BuildDebug: Hashable, Sendable {
  /// Of the instruction at which the build stops; nil for the one that fails.
  package var line: Int?
  /// Whether it stops behind that instruction, and not in front of it.
  package var isAfter: Bool

  package init(line: Int? = nil, isAfter: Bool = false) {
    self.line = line
    self.isAfter = isAfter
  }
}

package enum BuildEntitlement: String, Hashable, Sendable, CaseIterable {
  /// All capabilities and devices, with `RUN --security=insecure`.
  case insecure = "security.insecure"
  /// The host's network, with `RUN --network=host`.
  case hostNetwork = "network.host"
}

package enum BuildContext: Sendable {
  /// A directory of the service's machine.
  case directory(FilePath)
  /// A tar archive, plain or compressed.
  case archive(ArchiveSource)
  /// A git repository, or an archive of the web.
  case remote(String)
}

package enum NamedContext: Hashable, Sendable {
  case directory(FilePath)
  case image(String)
  /// An OCI image layout, and which of its images: by its tag or digest, or its only one.
  case layout(FilePath, tag: String?, digest: Digest?)
  /// A git repository, or a file of the web.
  case remote(String)
}

package enum BuildSecret: Hashable, Sendable {
  case file(FilePath)
  case value([UInt8])
}

/// An instruction as a build met it.
package struct BuiltStep: Hashable, Sendable {
  /// Over all stages, in the order in which they stand in the file.
  package var number: Int
  /// Its name, or its number.
  package var stage: String
  /// In the stage, from 1.
  package var ordinal: Int
  package var line: Int
  /// In one line.
  package var instruction: String
  package var isCached: Bool
  /// Nothing is carried out, and it is not known whether it would come from the cache.
  package var isUnknown: Bool
  /// Why it was not, as far as an earlier build can tell; of FROM also what its image was before.
  package var reasons: [String]
  package var milliseconds: Int64?
  /// The compressed layer's.
  package var layer: Digest?
  package var layerSize: Int64?
  /// Of the earlier run that it comes from, or was compared with, in nanoseconds since 1970.
  package var lastRunAt: Int64?
  package var lastMilliseconds: Int64?
  /// The compressed layer's.
  package var lastLayerSize: Int64?
  /// The cache in a registry that it comes from; nil for the store's own.
  package var cachedFrom: Reference?
}

package struct BuildResult: Sendable {
  package var image: ImageSummary
  package var steps: [BuiltStep]
  package var warnings: [LintWarning]
  /// What was written to each output, in bytes.
  package var written: [Int64]
  package var cacheExport: BuildCacheExport?
  /// What of the request was of no use.
  package var requestWarnings: [String]
  /// Why something of the caches in registries was of no use.
  package var cacheWarnings: [String]
  /// Why RUNs had no network that were to have the default one.
  package var networkWarning: String?
}

package struct BuildExplanation: Sendable {
  package var steps: [BuiltStep]
  package var warnings: [LintWarning]
  package var requestWarnings: [String]
  package var cacheWarnings: [String]
}
