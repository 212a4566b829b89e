import Dockerfile
import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import Synchronization
import SystemPackage

/// One build on its way: its stages run at once where none waits for another, each of them once.
final class BuildRun: Sendable {
  let engine: ContainerEngine
  let request: BuildRequest
  let dockerfile: Dockerfile
  let global: GlobalScope
  let context: SourceRoot?
  let time: BuildTime
  let digests: FileDigests
  let reporter: TaskReporter
  /// Nil where nothing is carried out, and it is only told what would be.
  let addition: Addition?
  let output: OutputTurns?
  /// Whether what is built becomes the cache's.
  let keepsSteps: Bool
  /// How many instructions come before each stage, FROMs included; and how many there are.
  let numbersBefore: [Int]
  let layerWarnings = LayerWarnings.current
  private let state = Mutex(State())

  private struct State {
    var stages: [Int: Task<StageState, any Error>] = [:]
    var images: [String: Task<StageState, any Error>] = [:]
    var remoteContexts: [String: Task<SourceRoot, any Error>] = [:]
    var failure: (any Error)?
    var isStopped = false
    /// By stage, and by place in it: what ONBUILD adds has no number of its own in the file.
    var steps: [Int: [Int: BuiltStep]] = [:]
    var records: [BuildStepRecord] = []
    var used: [Digest] = []
    var bases: [BuildBase] = []
    var environments: [Int: [String]] = [:]
    var lastSaved = ContinuousClock.now
    var triggerCount = 0
    var hasHeld = false
    var caches: [ImportedCache] = []
    var cacheWarnings: [String] = []
    var requestWarnings: [String] = []
    var flights: [Digest: StepFlight] = [:]
    /// Nil until somebody has looked; then why there are no networks, if so.
    var missingNetwork: String??
    var networkWarning: String?
    var networks: BuildNetworks?
    var warnings: [LintWarning] = []
    var needsNetwork = false
    /// What goes on when its instruction is carried out.
    var rest: [Task<Void, Never>] = []
    /// By stage, and by place in it.
    var outcomes: [Int: [Int: BuildStepRecord]] = [:]
  }

  init(
    _ engine: ContainerEngine, _ request: BuildRequest, _ dockerfile: Dockerfile, _ global: GlobalScope,
    context: SourceRoot?, digests: FileDigests, addition: Addition?, reporter: TaskReporter,
    output: (@Sendable ([UInt8]) async throws -> Void)?, keepsSteps: Bool
  ) throws {
    self.keepsSteps = keepsSteps
    self.engine = engine
    self.request = request
    self.dockerfile = dockerfile
    self.global = global
    self.context = context
    self.digests = digests
    self.addition = addition
    self.reporter = reporter
    self.output = output.map { OutputTurns($0) }
    numbersBefore = dockerfile.stages.reduce(into: [0]) {
      $0.append(($0.last ?? 0) + $1.instructions.count + 1)
    }
    time = try BuildTime(global)
  }

  var isDry: Bool { addition == nil }

  /// Carries out all that a stage needs.
  ///
  /// - Throws: what failed first; then all else has stopped. Cancellation stops everything as well.
  func run(_ target: Int) async throws -> StageState {
    let needed = try BuildPlan(dockerfile, global, request.namedContexts).stages(for: target)
    defer { digests.save() }
    let needsNetwork = needsNetwork(Array(needed))
    state.withLock { $0.needsNetwork = needsNetwork }
    do {
      let result = try await withTaskCancellationHandler {
        // At once, so that none waits for the first to need it.
        for index in needed { _ = stage(index) }
        return try await stage(target).value
      } onCancel: {
        stop(EngineError.cancelled("building"))
      }
      try Task.checkCancellation()
      await endRest()
      await endNetworks()
      return result
    } catch {
      stop(error)
      for task in state.withLock({ Array($0.stages.values) + $0.images.values }) { _ = await task.result }
      for task in state.withLock({ Array($0.remoteContexts.values) }) { _ = await task.result }
      await endRest()
      await endNetworks()
      throw state.withLock { $0.failure } ?? error
    }
  }

  private func stop(_ error: any Error) {
    let tasks = state.withLock { state in
      state.isStopped = true
      // Who is told of a failure is told what is kept of it, whichever came first.
      let isKept = (error as? EngineError)?.container != nil
      if isKept || (state.failure == nil && !(error is CancellationError)) { state.failure = error }
      return Array(state.stages.values) + state.images.values
    }
    for task in tasks { task.cancel() }
    for task in state.withLock({ Array($0.remoteContexts.values) }) { task.cancel() }
  }

  func stage(_ index: Int) -> Task<StageState, any Error> {
    state.withLock { state in
      if let task = state.stages[index] { return task }
      let task = Task { [self] in
        do { return try await carryOut(index) } catch {
          stop(error)
          throw error
        }
      }
      if state.isStopped { task.cancel() }
      state.stages[index] = task
      return task
    }
  }

  /// What an image brings, fetched once however many stages ask for it.
  func image(_ name: String, platform: Platform) -> Task<StageState, any Error> {
    state.withLock { state in
      let key = "\(name) \(platform)"
      if let task = state.images[key] { return task }
      let task = Task { [self] in try await baseState(name, platform) }
      if state.isStopped { task.cancel() }
      state.images[key] = task
      return task
    }
  }

  /// The same of an OCI image layout.
  func layout(_ path: FilePath, _ tag: String?, _ digest: Digest?) -> Task<StageState, any Error> {
    state.withLock { state in
      let key = "\(path)\0\(tag ?? "")\0\(digest?.description ?? "")"
      if let task = state.images[key] { return task }
      let task = Task { [self] in try await layoutState(path, tag, digest) }
      if state.isStopped { task.cancel() }
      state.images[key] = task
      return task
    }
  }

  /// The same of a context that is elsewhere.
  func remoteContext(_ address: String) -> Task<SourceRoot, any Error> {
    state.withLock { state in
      if let task = state.remoteContexts[address] { return task }
      let task = Task { [remote] in try await remote.root(of: address) }
      if state.isStopped { task.cancel() }
      state.remoteContexts[address] = task
      return task
    }
  }

  /// Does what no instruction has to wait for; the build's end does, also where it is cancelled.
  func later(_ work: @escaping @Sendable () async -> Void) {
    state.withLock { $0.rest.append(Task { await work() }) }
  }

  private func endRest() async {
    let rest = state.withLock { state in
      defer { state.rest = [] }
      return state.rest
    }
    for task in rest { await task.value }
  }

  // MARK: What is told

  func tell(_ step: BuiltStep, of stage: Int) {
    state.withLock { $0.steps[stage, default: [:]][step.ordinal] = step }
  }

  func step(_ ordinal: Int, of stage: Int) -> BuiltStep? { state.withLock { $0.steps[stage]?[ordinal] } }

  var steps: [BuiltStep] {
    state.withLock { state in
      state.steps.sorted { $0.key < $1.key }.flatMap { $0.value.sorted { $0.key < $1.key }.map(\.value) }
    }
  }

  func noteEnvironment(_ index: Int, _ environment: [String]) {
    state.withLock { $0.environments[index] = environment }
  }

  func environment(_ index: Int) -> [String]? { state.withLock { $0.environments[index] } }

  // MARK: Networks

  /// Why the default network cannot be had here; looked for once.
  var missingNetwork: String? {
    if let known = state.withLock({ $0.missingNetwork }) { return known }
    let lack = engine.lackOfNetworks
    let found = lack.map { lack in
      ([lack.message] + lack.causes + [lack.hint].compactMap(\.self)).joined(separator: "; ")
    }
    state.withLock { $0.missingNetwork = .some(found) }
    return found
  }

  func noteMissingNetwork(_ why: String) {
    state.withLock { $0.networkWarning = "RUNs have no network: \(why)" }
  }

  var networkWarning: String? { state.withLock { $0.networkWarning } }

  /// Those of RUNs that have the build's network, made by who needs them first.
  var networks: BuildNetworks? {
    if let made = state.withLock({ $0.networks }) { return made }
    guard let made = makeNetworks() else { return nil }
    return state.withLock { state in
      if let other = state.networks { return other }
      state.networks = made
      return made
    }
  }

  /// Something is carried out: what RUNs need soon is made meanwhile.
  func prepareNetworks() {
    guard state.withLock({ $0.needsNetwork && $0.networks == nil }) else { return }
    networks?.prepareAhead()
  }

  private func endNetworks() async {
    guard let networks = state.withLock({ $0.networks }) else { return }
    // Also in a task that is cancelled.
    await Task { await networks.end() }.value
  }

  // MARK: The cache

  func keep(_ record: BuildStepRecord) { state.withLock { $0.records.append(record) } }

  func keep(_ base: BuildBase) { state.withLock { $0.bases.append(base) } }

  /// Notes what a step has come to, for who asks for this build's cache.
  func note(_ record: BuildStepRecord, _ number: StepNumber) {
    state.withLock { $0.outcomes[number.index, default: [:]][number.ordinal] = record }
  }

  /// In the file's order.
  func outcomes(of stages: Set<Int>) -> [BuildStepRecord] {
    state.withLock { state in
      stages.sorted().flatMap { (state.outcomes[$0] ?? [:]).sorted { $0.key < $1.key }.map(\.value) }
    }
  }

  var caches: [ImportedCache] { state.withLock { $0.caches } }

  func add(_ cache: ImportedCache) { state.withLock { $0.caches.append(cache) } }

  /// What only shows when a build looks at its images.
  func note(_ rule: LintRule, _ instruction: Instruction, _ message: String) {
    let configuration = dockerfile.directives.check.merging(comments: instruction.comments)
    guard configuration.reports(rule) else { return }
    state.withLock { $0.warnings.append(LintWarning(rule, message, at: instruction.range.start)) }
  }

  var warnings: [LintWarning] { state.withLock { $0.warnings } }

  var cacheWarnings: [String] { state.withLock { $0.cacheWarnings } }

  func warn(_ text: String) {
    state.withLock { if !$0.cacheWarnings.contains(text) { $0.cacheWarnings.append(text) } }
  }

  var requestWarnings: [String] { state.withLock { $0.requestWarnings } }

  func note(_ text: String) { state.withLock { $0.requestWarnings.append(text) } }

  /// Tells of what was given and nothing in the file asks for. What ONBUILD brings may ask for anything.
  func checkRequest() {
    guard state.withLock({ $0.triggerCount == 0 }) else { return }
    func note(_ text: String, _ unused: [UnusedInput]) {
      for (name, near) in unused {
        self.note("\(text) \(name.prefix(200))" + (near.map { ": did you mean \($0)?" } ?? ""))
      }
    }
    let plan = BuildPlan(dockerfile, global, request.namedContexts)
    note("nothing takes files from the context", plan.unusedContexts())
    note("no ARG declares the argument", plan.unusedArguments(request))
    note("no RUN mounts the secret", plan.unusedSecrets(request))
    note("no RUN asks for the SSH agent", plan.unusedAgents(request))
  }

  /// The step of a key that is on its way, or was carried out: `flight` where there was none yet.
  func flight(_ key: Digest, _ flight: () -> StepFlight) -> (flight: StepFlight, isNew: Bool) {
    state.withLock { state in
      if let known = state.flights[key] { return (known, false) }
      let flight = flight()
      state.flights[key] = flight
      return (flight, true)
    }
  }

  /// Numbers for instructions that ONBUILD brings, counted from 0 over all stages.
  ///
  /// - Returns: the first of `count`.
  func claimTriggers(_ count: Int) -> Int {
    state.withLock { state in
      defer { state.triggerCount += count }
      return state.triggerCount
    }
  }

  /// True for the first who asks: one container is kept of a build.
  func claimHold() -> Bool {
    state.withLock { state in
      defer { state.hasHeld = true }
      return !state.hasHeld
    }
  }

  func use(_ record: BuildStepRecord) {
    // Which day it was of use is enough to know.
    guard Timestamp.now - record.usedAt > 3600 * 1_000_000_000 else { return }
    state.withLock { $0.used.append(record.key) }
  }

  /// Makes what was built so far the next build's too, when it is on the disk.
  ///
  /// - Parameter all: else only when the last time was some seconds ago.
  func saveSteps(all: Bool) async throws {
    guard let addition, keepsSteps else { return }
    let (records, used, bases) = state.withLock { state -> ([BuildStepRecord], [Digest], [BuildBase]) in
      guard all || ContinuousClock.now - state.lastSaved > .seconds(3) else { return ([], [], []) }
      defer {
        state.bases = []
        state.records = []
        state.used = []
        state.lastSaved = .now
      }
      return (state.records, state.used, state.bases)
    }
    if records.isEmpty && used.isEmpty && bases.isEmpty { return }
    do {
      if records.contains(where: { $0.layer != nil }) {
        try await onBlockingThread("sync") { try addition.sync() }
      }
      try await engine.metadata.recordBuildSteps(records, used: used, bases: bases, at: Timestamp.now)
    } catch {
      // They are for whoever tries again.
      state.withLock { state in
        state.records = records + state.records
        state.used = used + state.used
        state.bases = bases + state.bases
      }
      throw error
    }
  }
}
