import EngineErrors
import LinuxSystem
import OCIModel
import SystemPackage

/// Which user ids each container has that has its own: a file for each range, with the container's id in it.
///
/// A range is free again when its container's directory is gone. Services take ranges one at a time, under a lock.
struct UserRanges {
  /// Of each container.
  static let size: UInt32 = 65536
  /// Above what distributions give to users and services, and below what is negative for some programs.
  private static let first: UInt32 = 0x4000_0000
  private static let count: UInt32 = 0x4000_0000 / size
  private let directory: FilePath

  init(store: FilePath) { directory = store.appending("user-ranges") }

  /// Takes a range for a container whose directory exists.
  ///
  /// - Returns: the host's id of its root.
  func claim(_ id: String, isThere: (String) -> Bool) async throws -> UInt32 {
    try makeDirectories(directory, mode: 0o700)
    let lock = try await FileLock.acquire(directory.appending("lock"), .exclusive)
    defer { lock.release() }
    var taken: Set<UInt32> = []
    for name in try directoryEntries(directory) {
      guard let index = UInt32(name) else { continue }
      let place = directory.appending(name)
      let holder = (try? readSmallFile(place, limit: 128)) ?? ""
      if holder == id { return Self.first + index * Self.size }
      if isThere(holder) { taken.insert(index) } else { try removeFile(place) }
    }
    guard let index = (0..<Self.count).first(where: { !taken.contains($0) }) else {
      throw EngineError(.noSpace, "all ranges of user ids are taken", hint: "remove containers")
    }
    try writeNewFile(directory.appending("\(index)"), Array(id.utf8), mode: 0o600)
    return Self.first + index * Self.size
  }
}

extension ContainerEngine {
  /// Gives a container that is being made user ids of its own.
  ///
  /// - Throws: `unsupported` for an ordinary user's service, which has no ids to give away but its own few.
  func giveUsers(to spec: inout RuntimeSpec, of id: String) async throws {
    guard !configuration.isRootless else {
      throw EngineError(
        .unsupported, "an ordinary user's containers share the user's ids", subject: "userNamespace",
        hint: "user ids of its own a container can have from a service that root runs")
    }
    let first = try await UserRanges(store: configuration.storeDirectory).claim(id) {
      !$0.isEmpty && fileExists(snapshots.containerDirectory($0))
    }
    let mapping = [RuntimeSpec.IDMapping(containerID: 0, hostID: first, size: UserRanges.size)]
    spec.linux?.namespaces?.append(.init("user"))
    spec.linux?.uidMappings = mapping
    spec.linux?.gidMappings = mapping
  }
}

extension RuntimeSpec {
  /// Whether the container has user ids of its own.
  var hasUsers: Bool { linux?.uidMappings != nil }
}
