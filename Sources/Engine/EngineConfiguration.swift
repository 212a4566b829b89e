package import Layers
import LinuxSystem
import Registry
package import SystemPackage

/// Where an engine keeps its things and how it does its work.
package struct EngineConfiguration: Sendable {
  /// Images, layers, containers, the database and the journal; survives a restart of the machine.
  package var storeDirectory: FilePath
  /// Locks, process ids and sockets of running containers; a tmpfs.
  package var runDirectory: FilePath
  /// The program that starts and keeps each container.
  package var shim: FilePath
  /// Whether the service runs inside a user namespace of an ordinary user.
  package var isRootless: Bool
  /// The highest user and group id that files can be given.
  package var highestID: UInt32
  /// How many layers of one pull or push are under way at once; `usualConcurrentLayers` unless set.
  package var concurrentLayers: Int
  /// What a layer may cost that is unpacked.
  package var unpackLimits = UnpackLimits()
  /// Docker's, with the user's credentials for registries; nil for none.
  package var dockerConfigDirectory: FilePath? = nil
  /// What is set for registries, by their names in references.
  package var registries: [String: RegistrySettings] = [:]
  /// Where registries' certificates are, each server's in a directory named by host and port.
  package var certificateDirectories: [FilePath] = []
  /// What credential helpers are started with, and where proxies are named.
  package var environment: [String: String] = [:]
  /// How many files a container's processes may have open; nil for as many as the service.
  package var openFiles: (soft: UInt64, hard: UInt64)? = nil
  /// How large a file may be that a build fetches from the web.
  package var buildDownloadBytes: Int64 = 16 << 30

  /// Of containers that are made without limits of their own.
  package var logLimits: LogLimits? = nil

  package init(
    storeDirectory: FilePath, runDirectory: FilePath, shim: FilePath, isRootless: Bool,
    highestID: UInt32 = .max - 1, concurrentLayers: Int? = nil
  ) {
    self.storeDirectory = storeDirectory
    self.runDirectory = runDirectory
    self.shim = shim
    self.isRootless = isRootless
    self.highestID = highestID
    self.concurrentLayers = concurrentLayers ?? Self.usualConcurrentLayers
  }

  /// As many as there are processors, within 2 to 4. A layer that is inflated, hashed and written keeps a processor busy and has a
  /// window of megabytes, so more of them than processors only take turns, and drive each other's bytes out of the caches; but
  /// beside one that waits for its registry another one is to go on.
  private static var usualConcurrentLayers: Int { min(max(onlineProcessors(), 2), 4) }
}
