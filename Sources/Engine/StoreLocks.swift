import EngineErrors
import LinuxSystem
import SystemPackage

/// The locks that keep engines in different processes out of each other's way.
///
/// Order, to which all keep: collection, then a container's root, then container (its attention is taken by who has just made it, or holds no other lock), then volumes' in the order of their names, then networks, then a layer's (`Snapshots`), then a blob's (`ContentStore`).
struct StoreLocks: Sendable {
  let directory: FilePath

  /// Held shared by whoever adds content that no row of the database names yet, and exclusively by
  /// whoever collects content that no row names.
  func holdContent() async throws -> FileLock {
    try await FileLock.acquire(collection, .shared)
  }

  /// Nil where somebody adds content for longer than a moment: collection is then left to a later time. The moment is for who
  /// makes a container. Who collects, as a service does that has just begun, is done soon and waited for.
  func tryCollect() async throws -> FileLock? {
    var (additions, looks) = (0, 0)
    while additions < 10, looks < 500 {
      if let lock = try FileLock.tryAcquire(collection, .exclusive) { return lock }
      looks += 1
      if let lock = try FileLock.tryAcquire(collection, .shared) {
        lock.release()
        additions += 1
      }
      try await Task.sleep(for: .milliseconds(20))
    }
    return nil
  }

  /// The same, and blocks until nobody adds content.
  func holdCollection() throws -> FileLock { try FileLock.acquireBlocking(collection, .exclusive) }

  /// Held while a container's state is changed.
  func holdContainer(_ id: String) async throws -> FileLock { try await hold(container(id), id) }

  /// The same, for who has other things to do as well.
  ///
  /// - Returns: nil where somebody has it for longer.
  func holdContainer(_ id: String, within limit: Duration) async throws -> FileLock? {
    struct TimeIsOver: Error {}
    let end = ContinuousClock.now + limit
    do {
      return try await hold(container(id), id) { if ContinuousClock.now >= end { throw TimeIsOver() } }
    } catch is TimeIsOver {
      return nil
    }
  }

  /// Held by who has the root of a container open that does not run, for as long as a client takes to read or write in it: who
  /// changes the container's state looks whether it is held, and holds nobody else up.
  func holdRoot(_ id: String) async throws -> FileLock {
    do {
      return try await FileLock.acquire(root(id))
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      throw removed(id)
    }
  }

  func isRootHeld(_ id: String) throws -> Bool {
    // Most containers' never is, and has no such file.
    guard fileExists(root(id)) else { return false }
    return try FileLock.tryAcquire(root(id)) == nil
  }

  /// Held by the engine that sees a container through its run, and will remove it where it is to go: no other one removes
  /// it under its hands.
  func attendContainer(_ id: String) async throws -> FileLock {
    try await hold(container(id).appending("upper"), id)
  }

  /// Held shared by who makes a container with a volume, or reads all of it; exclusively by who makes, fills or removes it.
  ///
  /// - Parameter path: in the volume's directory.
  /// - Returns: nil where that is gone.
  func holdVolume(_ path: FilePath, _ mode: FileLock.Mode) async throws -> FileLock? {
    do {
      return try await FileLock.acquire(path, mode)
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      return nil
    }
  }

  /// Held by the engine that looks at a container's health.
  func holdHealth(_ id: String) async throws -> FileLock {
    try await hold(container(id).appending("work"), id)
  }

  /// Held while what the host has of all networks, or what containers know of names, is made as the database says. Blocks.
  func holdNetworks() throws -> FileLock {
    try FileLock.acquireBlocking(directory.appending("networks.lock"), .exclusive)
  }

  private func container(_ id: String) -> FilePath { directory.appending("containers").appending(id) }

  /// A container's locks are on its directories, which are there anyway: a file less to make and to remove for each.
  private func hold(_ path: FilePath, _ id: String, whileWaiting: () throws -> Void = {}) async throws
    -> FileLock
  {
    do {
      return try await FileLock.acquire(path, .exclusive, of: .directory, whileWaiting: whileWaiting)
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      throw removed(id)
    }
  }

  private func removed(_ id: String) -> EngineError {
    EngineError(.notFound, "container \(id.prefix(12)) has been removed", subject: id)
  }

  private func root(_ id: String) -> FilePath { container(id).appending("root.lock") }

  private var collection: FilePath { directory.appending("collection.lock") }
}
