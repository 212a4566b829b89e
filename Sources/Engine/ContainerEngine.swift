package import ContentStore
package import EngineErrors
import LinuxSystem
import Layers
package import Logging
package import Metadata
import Networking
package import OCIModel
package import Registry
package import Runner
package import Snapshots
import Synchronization
import SystemPackage

/// The container engine: images and containers of one store, without a word of JSON.
///
/// Any number of engines, in as many processes, share one store; what they must not do at once they settle
/// with locks in the store (`StoreLocks`) and with transactions in its database.
package final class ContainerEngine: Sendable {
  package let configuration: EngineConfiguration
  let content: ContentStore
  let snapshots: Snapshots
  /// The lowest layer of every container.
  let mountPoints: FilePath
  package let metadata: MetadataStore
  let registry: RegistryClient
  /// Nil where nobody said whose.
  let credentials: RegistryCredentials?
  let runner: Runner
  let locks: StoreLocks
  /// Removes trees without a name.
  let reclaimer = QueueThread("reclaim", niceness: 10)
  /// What of networks the host has; to be had by `hostNetwork()`.
  let ownHostNetwork = HostNetwork()
  /// Of an ordinary user; nil for root.
  let userNetwork: UserNetwork?
  let log: Logger
  /// Containers that a request of this engine waits for, which the watch leaves alone.
  let attended = Mutex<[String: FileLock]>([:])
  /// Containers that a request of this engine removes, which records their ends as well.
  let removals = Mutex<Set<String>>([])
  /// Of the containers that were listed last, so that each one's options are read once.
  let listedOptions = Mutex<[String: ListedOptions]>([:])
  /// Those that were read last.
  let decodedOptions = Mutex<(text: String, options: ContainerOptions)?>(nil)
  /// Of the image that a container was made from last: which blob, and what it says.
  let decodedConfig = Mutex<(digest: Digest, config: ImageConfig)?>(nil)
  /// Once it owns anything.
  let session = Mutex<OwnSession?>(nil)
  /// The runs of containers whose memory is watched.
  let memoryWatches = Mutex<Set<String>>([])
  /// The looks at each container's health that this engine makes, or waits to make.
  let healthWatches = Mutex<[String: Task<Void, any Error>]>([:])
  /// Containers that were attended and are not any more.
  let watchedIDs: AsyncStream<String>
  let watchRequests: AsyncStream<String>.Continuation

  /// Opens the store, makes it where it is missing, and brings to a true state what a crash left behind.
  ///
  /// - Throws: `permissionDenied`, `noSpace`, `corrupt`, or `unsupported` for a store of a newer version.
  package init(_ configuration: EngineConfiguration, log: Logger) throws {
    self.configuration = configuration
    self.log = log
    (watchedIDs, watchRequests) = AsyncStream.makeStream()
    do {
      try makeDirectories(configuration.storeDirectory, mode: 0o700)
      try makeDirectories(configuration.runDirectory, mode: 0o700)
      content = try ContentStore(root: configuration.storeDirectory)
      snapshots = try Snapshots(root: configuration.storeDirectory)
      mountPoints = try MountPoints.layer(in: configuration.storeDirectory)
      metadata = try MetadataStore(path: configuration.storeDirectory.appending("db.sqlite"))
      try metadata.claimIdentity { NetworkNames.bridge(of: $0, store: $1) }
      locks = StoreLocks(directory: configuration.storeDirectory)
      runner = Runner(shim: configuration.shim, runDirectory: configuration.runDirectory)
      userNetwork =
        configuration.isRootless
        ? UserNetwork(runDirectory: configuration.runDirectory, runner: runner) : nil
    } catch {
      var told = EngineError(
        "open the store", wrapping: error, subject: configuration.storeDirectory.string)
      told = told.hinting("name another one with --store or CORACLE_STORE")
      if (error as? SystemError)?.errno == .notDirectory { told.kind = .invalidArgument }
      throw told
    }
    var registryConfiguration = RegistryConfiguration()
    let credentials = configuration.dockerConfigDirectory.map {
      RegistryCredentials(directory: $0, environment: configuration.environment)
    }
    self.credentials = credentials
    if let credentials { registryConfiguration.credential = { try await credentials.credential(for: $0) } }
    registryConfiguration.registries = configuration.registries
    registryConfiguration.certificateDirectories = configuration.certificateDirectories
    let environment = configuration.environment
    // Unlike HTTPS_PROXY, libcurl does not take this one, which a web server could have been sent by a client.
    registryConfiguration.plainProxy = environment["http_proxy"] == nil ? environment["HTTP_PROXY"] : nil
    registry = RegistryClient(configuration: registryConfiguration)
    do {
      try recoverFromRestart()
    } catch {
      throw EngineError(
        "tidy up the store after a restart", wrapping: error, subject: configuration.storeDirectory.string)
    }
  }

  var unpackOptions: UnpackOptions {
    UnpackOptions(
      overlayXattrs: configuration.isRootless ? .user : .trusted, highestID: configuration.highestID,
      limits: configuration.unpackLimits)
  }
}
