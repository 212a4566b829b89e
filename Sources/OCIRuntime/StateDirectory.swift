package import EngineErrors
import Glibc
import LinuxSystem
import Runner
package import SystemPackage

/// Where the containers of one `--root` are: a directory each with `state.json`, the configuration and the start's FIFO.
package struct StateRoot: Sendable {
  package let path: FilePath

  package init(path: FilePath) { self.path = path }

  /// - Throws: `invalidArgument` for an id that is none: it becomes a directory's name.
  package func directory(of id: String) throws(EngineError) -> StateDirectory {
    let allowed = id.utf8.allSatisfy {
      (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "_+-.".utf8.contains($0)
    }
    guard !id.isEmpty, id.utf8.count <= 1024, allowed, id != ".", id != ".." else {
      throw EngineError(.invalidArgument, "invalid container ID format", subject: id)
    }
    return StateDirectory(id: id, root: path)
  }

  /// The containers that there are, sorted.
  package func ids() throws(EngineError) -> [String] {
    do {
      return try directoryEntries(path).filter { fileExists(path.appending($0).appending("state.json")) }
        .sorted()
    } catch  where error.errno == .noSuchFileOrDirectory {
      return []
    } catch {
      throw EngineError("list the containers", error)
    }
  }
}

/// One container's directory below the root. Commands on the same container take turns by its lock.
package struct StateDirectory: Sendable {
  package let id: String
  package let path: FilePath
  private let root: FilePath

  fileprivate init(id: String, root: FilePath) {
    self.id = id
    self.root = root
    path = root.appending(id)
  }

  private static var sizeLimit: Int { 16 << 20 }

  /// Makes the directory for a new container.
  ///
  /// - Throws: `alreadyExists`.
  func make() throws(EngineError) {
    do {
      try makeDirectories(root, mode: 0o711)
      try call("mkdir", on: path.string) { mkdir(path.string, 0o711) }
    } catch  where error.errno == .fileExists {
      throw EngineError(.alreadyExists, "container with given ID already exists", subject: id)
    } catch {
      throw EngineError("make the state of container \(id)", error)
    }
  }

  /// Takes the container's lock and reads its state; the lock lasts as long as the value.
  ///
  /// - Throws: `notFound`.
  package func open() throws(EngineError) -> HeldState {
    let lock: FileLock
    do {
      guard fileExists(path) else { throw missing }
      lock = try FileLock.acquireBlocking(path.appending("lock"))
      return HeldState(directory: self, lock: lock, state: try read())
    } catch {
      throw Self.wrapped("open the state of container \(id)", error, missing)
    }
  }

  /// The state as it is now, without waiting for a command that is at work.
  ///
  /// - Throws: `notFound`.
  package func look() throws(EngineError) -> ContainerState {
    var state = try read()
    state.settle(in: path)
    return state
  }

  private func read() throws(EngineError) -> ContainerState {
    do {
      let text = try readSmallFile(path.appending("state.json"), limit: Self.sizeLimit)
      return try decodeJSON(ContainerState.self, Array(text.utf8), of: "the state of container \(id)")
    } catch {
      throw Self.wrapped("read the state of container \(id)", error, missing)
    }
  }

  func write(_ state: ContainerState) throws(EngineError) {
    do {
      try replaceFile(path.appending("state.json"), try encodeJSON(state), mode: 0o600)
    } catch {
      throw EngineError("write the state of container \(id)", wrapping: error)
    }
  }

  /// The configuration that the container was created from, as it was then.
  package var configuration: FilePath { path.appending("config.json") }

  func remove() throws(EngineError) {
    do { try removeTree(path) } catch {
      throw EngineError("remove the state of container \(id)", wrapping: error)
    }
  }

  private var missing: EngineError { EngineError(.notFound, "container does not exist", subject: id) }

  private static func wrapped(_ purpose: String, _ error: any Error, _ missing: EngineError) -> EngineError {
    if let error = error as? SystemError, error.errno == .noSuchFileOrDirectory { return missing }
    return EngineError(purpose, wrapping: error)
  }
}

/// A container's state under its lock.
package struct HeldState {
  package let directory: StateDirectory
  private let lock: FileLock
  package var state: ContainerState

  fileprivate init(directory: StateDirectory, lock: FileLock, state: ContainerState) {
    self.directory = directory
    self.lock = lock
    self.state = state
    self.state.settle(in: directory.path)
  }

  package func write() throws(EngineError) { try directory.write(state) }

  /// Lets others have the container before the value's end. The state may be behind from then on.
  func unlock() { lock.release() }

  /// Removes the container's directory; the state is of no more use.
  package func remove() throws(EngineError) { try directory.remove() }
}

extension ContainerState {
  /// Follows what is true: the process may have ended, or have been started, since the file was written.
  mutating func settle(in directory: FilePath) {
    if !isAlive {
      // One that is still being made by a living creator has no process yet.
      if status == .creating, pid == 0 { return }
      status = .stopped
      pid = 0
    } else {
      if status == .created, !fileExists(directory.appending("exec.fifo")) { status = .running }
      // Whoever holds it: engines tell the freezer themselves as well.
      if status == .running, BundleControlGroup.of(directory)?.isFrozen == true { status = .paused }
    }
  }
}
