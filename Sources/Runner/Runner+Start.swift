import CLinux
package import EngineErrors
import Glibc
import LinuxSystem
package import OCIModel
package import SystemPackage

extension Runner {
  /// Begins to make what a container runs in, its namespaces and mounts, and returns at once.
  ///
  /// - Parameters:
  ///   - resources: what its control group allows, as far as the machine can do it.
  ///   - log: gets the container's output, appended; made if missing.
  ///   - endsWhole: whether the log is known to end with a whole record, or be empty. Else the shim reads all of it before the start.
  ///   - limit: how much of it is kept; all where nil.
  ///   - openStdin: standard input is a pipe fed by `attachInput`; otherwise it is /dev/null.
  ///   - held: what the plan joins, kept until the container has started.
  ///   - endsWithService: it is killed when this service ends, however that is.
  /// - Returns: to be given to `start` or `callOff`.
  /// - Throws: `cancelled` when the task was cancelled, and nothing is left.
  package func prepare(
    _ id: String, _ plan: LaunchPlan, resources: RuntimeSpec.Resources? = nil, log: FilePath,
    endsWhole: Bool = false, limit: LogLimit? = nil, openStdin: Bool, endsWithService: Bool = false,
    holding held: [HeldNamespace] = []
  ) async throws(EngineError) -> PreparedContainer {
    let turn = spare.begin()
    let purpose = "start container \(id)"
    let directory = directory(of: id)
    var request = ShimRequest(
      mode: CLINUX_MODE_CONTAINER, runDirectory: directory, log: log, plan: plan, namespaces: plan.namespaces)
    request.logLimit = limit
    if endsWhole { request.flags |= CLINUX_REQUEST_LOG_WHOLE.rawValue }
    if openStdin { request.flags |= CLINUX_REQUEST_STDIN_OPEN.rawValue }
    if endsWithService { request.flags |= CLINUX_REQUEST_SESSION.rawValue }
    if plan.opensTerminal { request.flags |= CLINUX_REQUEST_TERMINAL.rawValue }
    if usesOldOverlay { request.flags |= CLINUX_REQUEST_OLD_OVERLAY.rawValue }
    let wantsGroup = wantsGroup(resources)
    if wantsGroup { request.flags |= CLINUX_REQUEST_GROUPS.rawValue }
    do {
      try await settle(id)
      try makeDirectories(directory, mode: 0o700)
      do {
        // A new process is made in its group; one that is there already would have to be moved.
        let spare = wantsGroup || usesOldOverlay ? nil : try await giveSpare(&request)
        let bytes = try spare == nil ? request.encoded() : []
        let launched =
          if let spare { spare } else {
            try await launcher.launch(bytes) { if wantsGroup { try makeGroup(id, resources) } }
          }
        let failure = LaunchFailure(purpose: purpose, id: id, plan: request.plan)
        var prepared = PreparedContainer(id: id, shim: launched, failure: failure, held: held, turn: turn)
        if plan.makesNetwork { prepared.network = try await ownNetwork(of: prepared) }
        return prepared
      } catch {
        await releaseGroup(id)
        try? RunFiles.removeAll(directory)
        throw error
      }
    } catch {
      if Task.isCancelled { throw .cancelled("starting container \(id)") }
      throw EngineError(purpose, wrapping: error, subject: id)
    }
  }

  /// Gives the request to a spare shim, and makes its plan one in two parts then.
  private func giveSpare(_ request: inout ShimRequest) async throws(EngineError) -> LaunchedShim? {
    guard let staged = StagedPlan(request.plan), let shim = await spare.take(staged.stage) else { return nil }
    var given = request
    given.plan = staged.plan
    do {
      try shim.status.give(given.encoded())
    } catch {
      // Somebody has killed it; and what is wrong with the request the other way says as well.
      SpareShim.end(shim)
      return nil
    }
    request = given
    return shim
  }

  /// The network namespace that a container's user namespace owns.
  private func ownNetwork(of prepared: PreparedContainer) async throws -> HeldNamespace {
    do {
      try await DescriptorWatcher.shared.readable(prepared.shim.status.descriptor)
      guard let report = try prepared.shim.status.receive() else { throw prepared.failure.lost() }
      guard report.kind == CLINUX_REPORT_CLONED.rawValue else { throw prepared.failure.error(report) }
      return try namespace(.network, of: prepared.id)
    } catch {
      await callOff(prepared)
      throw error
    }
  }

  /// Starts a prepared container and returns when its command has been executed.
  ///
  /// - Throws: `EngineError` that names the operation that failed; `notFound` for a missing command and
  ///   `permissionDenied` or `invalidArgument` for one that cannot be executed, and then there is an exit record with
  ///   127 or 126; `conflict` if it is running; `cancelled` when the task was cancelled, and nothing is left.
  package func start(_ prepared: PreparedContainer) async throws(EngineError) -> StartedContainer {
    let (id, shim, failure) = (prepared.id, prepared.shim, prepared.failure)
    defer { withExtendedLifetime(prepared.turn) {} }
    do {
      // One that could not be prepared takes no word any more; it has said why.
      _ = try? shim.status.go()
      let answer: clinux_report?
      do {
        try await DescriptorWatcher.shared.readable(shim.status.descriptor)
        answer = try shim.status.receive()
      } catch {
        try await onBlockingThread("start-cancel") { try abandon(id, shim) }
        throw error
      }
      guard let report = answer else {
        try await onBlockingThread("start-lost") { try abandon(id, shim) }
        throw failure.lost()
      }
      guard report.kind == CLINUX_REPORT_STARTED.rawValue else {
        try await onBlockingThread("start-failed") {
          _ = try shim.process.reap()
          endForwarder(id)
          removeGroup(id)
        }
        throw failure.error(report)
      }
      ownShims.insert(shim.status, for: id)
      try reapLater(shim.process) { [weak status = shim.status] in
        if let status { ownShims.remove(status, for: id) }
        spare.replenish()
      }
      return StartedContainer(pid: report.pid, startedAt: report.time)
    } catch {
      if Task.isCancelled { throw .cancelled("starting container \(id)") }
      throw EngineError(failure.purpose, wrapping: error, subject: id)
    }
  }

  /// Ends the shim of a container that is not to start, and leaves nothing of it.
  package func callOff(_ prepared: PreparedContainer) async {
    try? await onBlockingThread("start-called-off") { try abandon(prepared.id, prepared.shim) }
  }

  /// Ends a shim before it has reported, and what it may have started.
  private func abandon(_ id: String, _ shim: LaunchedShim) throws {
    try? shim.process.signal(SIGKILL)
    _ = try shim.process.reap()
    endForwarder(id)
    // Kills what a change of credentials has cut loose, and records a loss, which was none: nothing had started.
    _ = try state(id)
    removeGroup(id)
    try RunFiles.removeAll(directory(of: id))
  }

  /// Leaves no zombie when a shim ends while this service lives; after that it is the system's init's.
  func reapLater(
    _ child: ProcessDescriptor, _ afterwards: @escaping @Sendable () -> Void = {}
  ) throws(SystemError) {
    _ = try DescriptorWatcher.shared.when(child.descriptor, is: .readable) { _ in
      _ = try? child.reap()
      afterwards()
    }
  }
}
