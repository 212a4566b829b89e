import Dockerfile
import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import SystemPackage

/// One stage from its image to its last instruction.
extension BuildRun {
  func carryOut(_ index: Int) async throws -> StageState {
    let stage = dockerfile.stages[index]
    var state = try await base(of: index)
    noteEnvironment(index, state.scope.environment.environment)
    var instructions = stage.instructions
    if let triggers = state.execution.onBuild, !triggers.isEmpty {
      var added: [Instruction] = []
      for trigger in triggers {
        added.append(try Dockerfile.trigger(trigger, at: stage.from.range, dockerfile.file))
      }
      instructions = added + instructions
      state.execution.onBuild = nil
    }
    let before = dockerfile.stages.prefix(index).reduce(0) { $0 + $1.instructions.count + 1 }
    tellBase(stage, index, number: before + 1, state)
    for (offset, instruction) in instructions.enumerated() {
      try Task.checkCancellation()
      let number = StepNumber(
        number: before + 2 + offset, stage: stage.name ?? "\(index)", index: index, ordinal: offset + 1,
        count: instructions.count)
      do {
        state = try await carryOut(instruction, state, number)
      } catch {
        if error is CancellationError { throw error }
        let named = EngineError("carry it out", wrapping: error)
        throw named.kind == .cancelled ? named : located(named, instruction)
      }
    }
    return state
  }

  /// With file, line and column in front, where the error does not say already.
  func located(_ error: EngineError, _ instruction: Instruction) -> EngineError {
    guard !error.message.hasPrefix(dockerfile.file.name + ":") else { return error }
    var error = error
    error.message =
      "\(dockerfile.file.name):\(instruction.range.start): \(instruction.keyword.rawValue): \(error.message)"
    return error
  }

  struct StepNumber: Sendable {
    /// Over all stages.
    var number: Int
    var stage: String
    var index: Int
    var ordinal: Int
    var count: Int

    func title(_ source: String) -> String {
      "#\(number) [\(stage) \(ordinal)/\(count)] \(source.prefix(200))"
    }
  }

  private func tellBase(_ stage: Dockerfile.Stage, _ index: Int, number: Int, _ state: StageState) {
    tell(
      BuiltStep(
        number: number, stage: stage.name ?? "\(index)", ordinal: 0, line: stage.from.range.start.line,
        instruction: stage.from.source, isCached: !state.isFresh,
        reasons: state.isFresh ? ["its image is not there, or is built anew"] : []))
  }

  private func base(of index: Int) async throws -> StageState {
    let stage = dockerfile.stages[index]
    do {
      switch try BuildPlan(dockerfile, global, request.namedContexts).base(of: index) {
      case .scratch: return scratch
      case .stage(let earlier):
        var state = try await self.stage(earlier).value
        state.scope = StageScope(global, on: state.scope)
        state.setsCommand = false
        return state
      case .image(let name), .context(.image(let name)):
        var platform = request.platform
        if let word = stage.base.platform {
          platform = try Platform(parsing: global.expand(word).text)
        }
        return try await image(name, platform: platform).value
      case .context(.directory(let path)):
        throw EngineError(
          .unsupported, "a directory cannot be the beginning of a stage: \(path)", subject: path.string)
      }
    } catch let error as EngineError where error.kind != .cancelled {
      throw located(error, stage.from)
    }
  }

  private static let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  private var scratch: StageState {
    var execution = ImageConfig.Execution()
    let environment = [Self.path]
    execution.env = environment
    return StageState(
      layers: [],
      config: ImageConfig(
        platform: request.platform, config: execution, rootfs: .init(diffIDs: []), history: []),
      scope: StageScope(global, environment: environment), key: StepKey.base(nil))
  }

  /// An image that is in the store, or is fetched.
  func baseState(_ name: String, _ platform: Platform) async throws -> StageState {
    var found: ImageRecord?
    if !request.pulls { found = try? engine.image(named: name) }
    if let image = found, !image.platform.satisfies(platform) { found = nil }
    if found == nil, isDry {
      var state = scratch
      state.isFresh = true
      return state
    }
    if found == nil {
      let reference = try Reference(parsing: name)
      _ = try await engine.pull(reference, platform: platform, reporter: reporter)
      found = try engine.image(named: name)
    }
    guard let image = found else { throw EngineError(.notFound, "no image is named \(name)", subject: name) }
    var config = try engine.config(of: image)
    let told = config.history ?? []
    // A history has an entry for each layer, or none means anything.
    let untold = max(0, image.layers.count - told.count { $0.emptyLayer != true })
    config.history = told + (0..<untold).map { _ in .init() }
    var environment = config.config?.env ?? []
    // What every RUN has is the image's as well, as with BuildKit.
    if !environment.contains(where: { $0.hasPrefix("PATH=") }) { environment.append(Self.path) }
    var execution = config.config ?? .init()
    execution.env = environment
    config.config = execution
    return StageState(
      layers: image.layers, config: config, scope: StageScope(global, environment: environment),
      key: StepKey.base(image.configDigest))
  }

  // MARK: One instruction

  private func carryOut(
    _ instruction: Instruction, _ before: StageState, _ number: StepNumber
  ) async throws -> StageState {
    var state = before
    var missing: [StageScope.Missing] = []
    let expanded = try state.scope.expand(instruction, missing: &missing)
    let step = try await PreparedStep(expanded, state, number, self)
    var built = BuiltStep(
      number: number.number, stage: number.stage, ordinal: number.ordinal, line: instruction.range.start.line,
      instruction: instruction.source, isCached: false, reasons: [])
    let key = StepKey.make(parent: before.key, step.inputs)
    var found: BuildStepRecord?
    if !before.isFresh, !step.isUnknown, request.usesCache {
      found = try usable(key, changesFiles: step.changesFiles)
    }
    if let record = found {
      built.isCached = true
      built.layer = record.layer?.descriptor.digest
      built.layerSize = record.layer?.descriptor.size
      use(record)
      state.key = record.canonical ?? key
      try step.apply(to: &state, layer: record.layer, time)
      await reporter.task(number.title(instruction.source) + " (cached)") { _, _ in }
      tell(built)
      return state
    }
    try explain(&built, step, before, instruction, key)
    state.key = key
    if isDry {
      try step.apply(to: &state, layer: nil, time)
      state.isFresh = true
      tell(built)
      return state
    }
    let clock = ContinuousClock()
    let begin = clock.now
    let layer = try await reporter.task(number.title(instruction.source)) { _, reporter in
      try await step.carryOut(on: before, reporter)
    }
    let took = (clock.now - begin).milliseconds
    try step.apply(to: &state, layer: layer, time)
    state.isFresh = true
    keep(
      BuildStepRecord(
        key: key, parent: before.key, source: instruction.source, inputs: step.inputs, layer: layer,
        milliseconds: took, createdAt: Timestamp.now))
    try await saveSteps(all: false)
    built.milliseconds = took
    built.layer = layer?.descriptor.digest
    built.layerSize = layer?.descriptor.size
    tell(built)
    return state
  }

  /// An earlier step whose layer is all there.
  private func usable(_ key: Digest, changesFiles: Bool) throws -> BuildStepRecord? {
    guard let record = try engine.metadata.buildStep(key) else { return nil }
    guard let layer = record.layer else { return record }
    guard engine.content.isWhole(layer.descriptor), engine.snapshots.contains(layer.key) else { return nil }
    return record
  }

  private func explain(
    _ built: inout BuiltStep, _ step: PreparedStep, _ before: StageState, _ instruction: Instruction,
    _ key: Digest
  ) throws {
    if !request.usesCache {
      built.reasons = ["the cache was not asked for"]
      return
    }
    if step.isUnknown {
      built.reasons = ["what it takes files from is not there, or is built anew"]
      return
    }
    if before.isFresh {
      built.reasons = ["an instruction before it is not cached"]
      return
    }
    let candidates = try engine.metadata.buildSteps(
      like: instruction.source, keyword: instruction.keyword.rawValue, after: before.key)
    let comparison = StepComparison(
      step.inputs, after: before.key, source: instruction.source, candidates)
    built.reasons = comparison.reasons
    built.lastRunAt = comparison.nearest?.createdAt
    built.lastMilliseconds = comparison.nearest?.milliseconds
  }
}

extension Duration {
  var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
