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
    let isReplaced = plan.replacement(of: index) != nil
    var triggers: [Instruction] = []
    if !isReplaced, let texts = state.execution.onBuild, !texts.isEmpty {
      for text in texts {
        triggers.append(try Dockerfile.trigger(text, at: stage.from.range, dockerfile.file))
      }
      state.execution.onBuild = nil
    }
    let instructions = triggers + (isReplaced ? [] : stage.instructions)
    let before = numbersBefore[index]
    let firstTrigger = claimNumbers(triggers.count)
    tellBase(stage, index, number: before + 1, state)
    try await stopIfAsked(at: stage.from, state)
    for (offset, instruction) in instructions.enumerated() {
      try Task.checkCancellation()
      let own = offset - triggers.count
      let number = StepNumber(
        number: own < 0 ? firstTrigger + offset : before + 2 + own, stage: stage.name ?? "\(index)",
        index: index, ordinal: offset + 1, count: instructions.count)
      do {
        state = try await carryOut(instruction, state, number)
      } catch {
        if error is CancellationError { throw error }
        let named = EngineError("carry it out", wrapping: error)
        if named.kind == .cancelled { throw named }
        throw await keeping(located(named, instruction), instruction, state)
      }
    }
    return state
  }

  private var plan: BuildPlan { BuildPlan(dockerfile, global, request.namedContexts) }

  /// What ONBUILD brings is known only when its image is: it is counted behind all that is in the file.
  private func claimNumbers(_ count: Int) -> Int {
    numbersBefore[dockerfile.stages.count] + 1 + claimTriggers(count)
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
    if var step = step(0, of: index) {
      // Of a directory its files have told all but the instruction's text.
      step.instruction = stage.from.source
      return tell(step, of: index)
    }
    var step = BuiltStep(
      number: number, stage: stage.name ?? "\(index)", ordinal: 0, line: stage.from.range.start.line,
      instruction: stage.from.source, isCached: !state.isFresh, isUnknown: state.isUnknown, reasons: [])
    if state.isFresh {
      step.reasons = ["its image is not there, or is built anew"]
    } else if let change = state.base?.change {
      step.reasons = [change]
    }
    tell(step, of: index)
  }

  private func base(of index: Int) async throws -> StageState {
    let stage = dockerfile.stages[index]
    do {
      switch try plan.base(of: index) {
      case .scratch: return scratch
      case .stage(let earlier):
        var state = try await self.stage(earlier).value
        state.scope = StageScope(on: state.scope)
        state.setsCommand = false
        return state
      case .image(let name), .context(.image(let name)):
        var platform = request.platform
        if let word = stage.base.platform {
          platform = try Platform(parsing: global.expand(word).text)
        }
        let state: StageState
        do { state = try await image(name, platform: platform).value } catch {
          guard case .image = try plan.base(of: index) else { throw error }
          throw meant(error, name, before: index)
        }
        let found = state.config.platform
        if !(isDry && state.isFresh), (found.os, found.architecture) != (platform.os, platform.architecture) {
          note(
            .invalidBaseImagePlatform, stage.from,
            "Base image \(name) was pulled with platform \"\(found)\", expected \"\(platform)\" for current build"
          )
        }
        return state
      case .context(.directory), .context(.remote):
        let isReplaced = plan.replacement(of: index) != nil
        let name = try isReplaced ? stage.name ?? "" : global.expand(stage.base.image).text
        let copy = try Dockerfile.trigger("COPY --from=\(name) . /", at: stage.from.range, dockerfile.file)
        let number = StepNumber(
          number: numbersBefore[index] + 1, stage: stage.name ?? "\(index)", index: index, ordinal: 0,
          count: stage.instructions.count)
        return try await carryOut(copy, scratch, number)
      case .context(.layout(let path, let tag, let digest)):
        return try await layout(path, tag, digest).value
      }
    } catch let error as EngineError where error.kind != .cancelled {
      throw located(error, stage.from)
    }
  }

  /// Where no image of a name can be had, a stage before may be meant.
  func meant(_ error: any Error, _ name: String, before index: Int) -> any Error {
    // Hubs say also of what they have not that it is not allowed, and nothing is heard of them without a network.
    guard var error = error as? EngineError, [.notFound, .unauthorized, .unreachable].contains(error.kind),
      let near = NearMiss.of(name, in: dockerfile.stages.prefix(index).compactMap(\.name), ignoringCase: true)
    else { return error }
    error.hint = "did you mean the stage \(near)?" + (error.hint.map { " or else: \($0)" } ?? "")
    return error
  }

  private static let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  private var scratch: StageState {
    var execution = ImageConfig.Execution()
    let environment = [Self.path]
    execution.env = environment
    execution.workingDir = "/"
    return StageState(
      layers: [],
      config: ImageConfig(
        platform: request.platform, config: execution, rootfs: .init(diffIDs: []), history: []),
      scope: StageScope(global, environment: environment), key: StepKey.base(nil))
  }

  /// An image that is in the store, or is fetched.
  func baseState(_ name: String, _ platform: Platform) async throws -> StageState {
    let fullName = (try? Reference(parsing: name))?.description ?? name
    let earlier = try engine.metadata.buildBases(named: fullName, platform)
    var found = request.pulls ? nil : try present(name, platform, earlier)
    if found == nil, isDry {
      var state = scratch
      state.isFresh = true
      return state
    }
    if found == nil {
      let reference = try Reference(parsing: name)
      let pulled = try await engine.pull(reference, platform: platform, takesOnly: true, reporter: reporter)
      // Not by its name, which another platform's may have by now.
      found = try engine.metadata.image(pulled.image.digest)
    }
    guard let image = found else { throw EngineError(.notFound, "no image is named \(name)", subject: name) }
    var state = state(of: try engine.config(of: image), image.configDigest, layers: image.layers)
    let base = BuildBase(
      name: fullName, platform: platform, manifest: image.manifestDigest, config: image.configDigest)
    if earlier.first != base { keep(base) }
    state.base = BaseImage(name: name, image: base, earlier: earlier)
    return state
  }

  /// The image of a name for a platform, where it is in the store: a name leads to one platform's only, and went on when the next
  /// one's was pulled.
  private func present(_ name: String, _ platform: Platform, _ earlier: [BuildBase]) throws -> ImageRecord? {
    guard let named = try? engine.image(named: name) else { return nil }
    if named.platform.satisfies(platform) { return named }
    guard let last = earlier.first else { return nil }
    // It was pulled for this platform, and is the only one there.
    if last.manifest == named.manifestDigest { return named }
    guard let image = try engine.metadata.image(last.manifest), image.platform.satisfies(platform) else {
      return nil
    }
    return image
  }

  /// What a stage begins with that begins with an image.
  func state(of config: ImageConfig, _ digest: Digest, layers: [LayerRecord]) -> StageState {
    var config = config
    let told = config.history ?? []
    // A history has an entry for each layer, or none means anything.
    let untold = max(0, layers.count - told.count { $0.emptyLayer != true })
    config.history = told + (0..<untold).map { _ in .init() }
    var environment = config.config?.env ?? []
    // What every RUN has is the image's as well, as with BuildKit.
    if !environment.contains(where: { $0.hasPrefix("PATH=") }) { environment.append(Self.path) }
    var execution = config.config ?? .init()
    execution.env = environment
    config.config = execution
    return StageState(
      layers: layers, config: config, scope: StageScope(global, environment: environment),
      key: StepKey.base(digest))
  }

  // MARK: One instruction

  private func carryOut(
    _ instruction: Instruction, _ before: StageState, _ number: StepNumber
  ) async throws -> StageState {
    var state = before
    state.base = nil
    var missing: [StageScope.Missing] = []
    let expanded = try state.scope.expand(instruction, missing: &missing)
    let step = try await PreparedStep(expanded, state, number, self)
    var built = BuiltStep(
      number: number.number, stage: number.stage, ordinal: number.ordinal, line: instruction.range.start.line,
      instruction: instruction.source, isCached: false, isUnknown: false, reasons: [])
    try await stopIfAsked(at: instruction, before, step)
    let key = StepKey.make(parent: before.key, step.inputs)
    // What stands alone is found again also where what is below it was changed.
    let parent = step.isLinked ? StepKey.nothing : before.key
    let own = step.isLinked ? StepKey.make(parent: parent, step.inputs) : key
    var found: CachedStep?
    if !before.isFresh || step.isLinked, step.unknown == nil, request.usesCache {
      found = try await cached(own)
    }
    if let found {
      var record = found.record
      // They are what its key is made of, and were not read.
      record.inputs = step.inputs
      built.isCached = true
      built.cachedFrom = found.source
      built.layer = record.layer?.descriptor.digest
      built.layerSize = record.layer?.descriptor.size
      built.note(record)
      if found.source == nil { use(record) }
      note(record, number)
      state.key = key
      state.lacksLayers = before.lacksLayers || !found.isHere
      try step.apply(to: &state, layer: record.layer, time)
      await reporter.task(number.title(instruction.source) + " (cached)") { _, _ in }
      tell(built, of: number.index)
      try await stopIfAsked(behind: instruction, state)
      return state
    }
    try explain(&built, step, before, instruction, after: parent)
    state.key = key
    if isDry {
      try step.apply(to: &state, layer: nil, time)
      state.isFresh = true
      state.isUnknown = built.isUnknown
      tell(built, of: number.index)
      return state
    }
    prepareNetworks()
    let title = number.title(instruction.source)
    let (outcome, other) = try await carryOutOnce(own, as: number.number) { [reporter] in
      try await reporter.task(title) { _, reporter in try await step.carryOut(on: before, reporter) }
    }
    try step.apply(to: &state, layer: outcome.layer, time)
    state.isFresh = true
    let record = BuildStepRecord(
      key: own, parent: parent, source: instruction.source, inputs: step.inputs, layer: outcome.layer,
      milliseconds: outcome.milliseconds, createdAt: Timestamp.now)
    note(record, number)
    if let other {
      built.reasons.append("it is carried out once, as #\(other)")
      await reporter.task(title + " (as #\(other))") { _, _ in }
    } else {
      keep(record)
      try await saveSteps(all: false)
      built.milliseconds = outcome.milliseconds
    }
    built.layer = outcome.layer?.descriptor.digest
    built.layerSize = outcome.layer?.descriptor.size
    tell(built, of: number.index)
    try await stopIfAsked(behind: instruction, state)
    return state
  }

  private func explain(
    _ built: inout BuiltStep, _ step: PreparedStep, _ before: StageState, _ instruction: Instruction,
    after parent: Digest
  ) throws {
    if !request.usesCache {
      built.reasons = ["the cache was not asked for"]
      return
    }
    if before.isFresh, !step.isLinked {
      built.isUnknown = isDry && before.isUnknown
      built.reasons = [
        built.isUnknown
          ? "it is not known of an instruction before it" : "an instruction before it is not cached"
      ]
      return
    }
    if let unknown = step.unknown {
      built.isUnknown = isDry
      built.reasons = [unknown]
      return
    }
    func candidates(after parent: Digest) throws -> [BuildStepRecord] {
      let (source, keyword) = (instruction.source, instruction.keyword.rawValue)
      return try engine.metadata.buildSteps(like: source, keyword: keyword, after: parent)
        + importedSteps(like: source, keyword: keyword, after: parent)
    }
    let base = step.isLinked ? nil : before.base
    var comparison = StepComparison(
      step.inputs, after: parent, source: instruction.source, try candidates(after: parent), base?.change)
    if !comparison.isOfSamePlace {
      // The same instruction on what the stage's image was.
      for other in base?.others ?? [] {
        let parent = StepKey.base(other.config)
        let found = StepComparison(
          step.inputs, after: parent, source: instruction.source, try candidates(after: parent))
        guard found.isOfSamePlace, let change = base?.change(from: other) else { continue }
        comparison = found
        comparison.reasons = [change] + found.differences
        break
      }
    }
    built.reasons = comparison.reasons
    if let nearest = comparison.nearest { built.note(nearest) }
  }
}

extension BuiltStep {
  /// When it was last carried out, and what that came to.
  fileprivate mutating func note(_ record: BuildStepRecord) {
    lastRunAt = record.createdAt
    lastMilliseconds = record.milliseconds
    lastLayerSize = record.layer?.descriptor.size
  }
}

extension Duration {
  var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
