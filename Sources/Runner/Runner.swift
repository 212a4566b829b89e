package import EngineErrors
import LinuxSystem
package import SystemPackage

/// Starts containers and exec sessions through `coracle-shim`, and follows every container of its run directory,
/// whichever service started it.
///
/// Holds no truth about containers: that is in `run/containers/ID`, with the shim's life lock as its truth.
package struct Runner: Sendable {
  let launcher: ShimLauncher
  /// The directory with `containers/ID` in it, on a tmpfs.
  let runDirectory: FilePath
  let ownShims = OwnShims()
  let spare: SpareShim
  package let groups: ControlGroups
  /// For tests: the way older kernels take to mount an overlay.
  var usesOldOverlay = false

  /// - Parameters:
  ///   - shim: the `coracle-shim` executable; it is read at the first start.
  ///   - runDirectory: made at the first start if missing, mode 0700.
  package init(shim: FilePath, runDirectory: FilePath, groups: ControlGroups = ControlGroups()) {
    launcher = ShimLauncher(program: ShimProgram(path: shim))
    spare = SpareShim(launcher, runDirectory: runDirectory)
    self.runDirectory = runDirectory
    self.groups = groups
  }

  /// Where a container's lock, pid, exit record and attach socket are.
  package func directory(of id: String) -> FilePath {
    runDirectory.appending("containers").appending(id)
  }

  /// One of the files there.
  func file(_ name: StaticString, of id: String) -> FilePath { directory(of: id).appending("\(name)") }

  /// The containers that have a run directory.
  package func list() throws(EngineError) -> [String] {
    do {
      return try directoryEntries(runDirectory.appending("containers"))
    } catch  where error.errno == .noSuchFileOrDirectory {
      return []
    } catch {
      throw EngineError("list the run directories", error)
    }
  }

  /// Removes a container's run directory. It must not be running. Returns when its mounts are gone as well.
  ///
  /// - Returns: whether it had run, and came to its end with its shim alive: then its log ends with a whole record.
  /// - Throws: `EngineError.inUse` if it is running.
  @discardableResult
  package func cleanUp(_ id: String) async throws(EngineError) -> Bool {
    let directory = directory(of: id)
    let endedWell: Bool
    switch try state(id) {
    case .absent, .lost: endedWell = false
    case .exited: endedWell = true
    case .running, .paused, .restarting:
      throw EngineError(.inUse, "cannot clean up container \(id): it is running", subject: id)
    }
    do {
      try await settle(id)
      endForwarder(id)
      await releaseGroup(id)
      try RunFiles.removeAll(directory)
      return endedWell
    } catch {
      throw EngineError("clean up container \(id)", wrapping: error, subject: id)
    }
  }
}

/// A container whose namespaces and mounts are being made, and whose command waits for `start`.
package struct PreparedContainer: Sendable {
  let id: String
  let shim: LaunchedShim
  let failure: LaunchFailure
  let held: [HeldNamespace]
  let turn: StartTurn
  /// Published when it has its networks.
  package var ports: [ReservedPort] = []
  /// Its network namespace, where it was made for it and is to be connected before the start.
  package var network: HeldNamespace?
}

/// A container whose command has been executed.
package struct StartedContainer: Hashable, Sendable {
  /// Of the container's first process, as the host counts.
  package var pid: Int32
  /// Since 1970, in ns.
  package var startedAt: UInt64
}
