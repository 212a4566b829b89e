import Dockerfile
import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import Runner
import SystemPackage

/// Containers of instructions that are kept to look into them.
extension BuildRun {
  /// - Throws: `invalidArgument` for a line where nothing is that a build of `target` carries out.
  func checkDebug(_ target: Int) throws {
    guard let line = request.debug?.line else { return }
    let stages = try BuildPlan(dockerfile, global, request.namedContexts).stages(for: target)
    let instructions = stages.flatMap { [dockerfile.stages[$0].from] + dockerfile.stages[$0].instructions }
    guard !instructions.contains(where: { $0.range.contains(line: line) }) else { return }
    let next = instructions.map(\.range.start.line).filter { $0 > line }.min()
    throw EngineError(
      .invalidArgument, "nothing is carried out at line \(line) of \(dockerfile.file.name)",
      subject: "\(line)", hint: next.map { "the next instruction is at line \($0)" })
  }

  /// Stops where it was asked for behind an instruction, or behind FROM, in front of which there is nothing.
  func stopIfAsked(at from: Instruction, _ state: StageState) async throws {
    guard let debug = request.debug, let line = debug.line, from.range.contains(line: line) else { return }
    throw await stopped(from, state, nil, "behind it")
  }

  func stopIfAsked(behind instruction: Instruction, _ state: StageState) async throws {
    guard let debug = request.debug, debug.isAfter, isMeant(instruction) else { return }
    throw await stopped(instruction, state, nil, "behind it")
  }

  func stopIfAsked(at instruction: Instruction, _ state: StageState, _ step: PreparedStep) async throws {
    guard let debug = request.debug, !debug.isAfter, isMeant(instruction) else { return }
    throw await stopped(instruction, state, step, "in front of it")
  }

  private func isMeant(_ instruction: Instruction) -> Bool {
    guard !isDry, let line = request.debug?.line, !instruction.isTrigger else { return false }
    return instruction.range.contains(line: line)
  }

  private func stopped(
    _ instruction: Instruction, _ state: StageState, _ step: PreparedStep?, _ place: String
  ) async -> any Error {
    guard !isDry else { return EngineError.cancelled("explaining") }
    let error = EngineError(.buildFailed, "the build was stopped \(place), as was asked for")
    return await keeping(located(error, instruction), instruction, state, step)
  }

  /// Gives an error the container that is kept where that was asked for, and one is not kept already.
  ///
  /// - Parameters:
  ///   - state: what the instruction finds.
  ///   - step: whose mounts are to be there.
  func keeping(
    _ error: EngineError, _ instruction: Instruction, _ state: StageState, _ step: PreparedStep? = nil
  ) async -> EngineError {
    guard request.debug != nil, error.container == nil, !isDry, claimHold() else { return error }
    var error = error
    do {
      // Also where another stage has failed meanwhile.
      error.container = try await Task {
        if let step, case .run(let run) = step.instruction.content, let addition {
          return try await BuildContainer(step, run, state, addition).holdUnstarted()
        }
        let place = try engine.prepareStep()
        return try await held(place, HeldStep(state), state, text: instruction.source)
      }.value
    } catch {
      engine.log.error("cannot keep a step of a build: \(error)")
    }
    return error
  }

  /// Makes a container of a step's directory, which is the caller's no more.
  ///
  /// - Returns: its id.
  func held(
    _ place: (id: String, upper: FilePath, work: FilePath), _ step: HeldStep, _ state: StageState,
    text: String
  ) async throws -> String {
    do {
      guard let addition else { throw EngineError(.internal, "there is nothing to keep") }
      return try await engine.recordHeldStep(place, step, state, addition, text: text)
    } catch {
      engine.discardStep(place.id)
      throw error
    }
  }
}

extension SourceRange {
  /// The end is behind what is meant.
  fileprivate func contains(line: Int) -> Bool {
    start.line <= line
      && (line < end.line || (line == end.line && (end.column > 1 || start.line == end.line)))
  }
}

/// What the container of a step is made from.
struct HeldStep: Sendable {
  var options: ContainerOptions
  /// With all that the instruction has of variables.
  var image: ImageConfig
  /// Whether the files that are bound into it are there.
  var hasBoundFiles = false

  init(options: ContainerOptions, image: ImageConfig) {
    self.options = options
    self.image = image
  }

  /// Of an instruction that runs nothing.
  init(_ state: StageState) {
    options = ContainerOptions(image: "")
    options.hostname = "build"
    image = state.config
    image.config?.env = state.scope.variables.environment
  }
}

extension ContainerEngine {
  /// Makes a container of the session of a step's directory: with the stage's shell at a terminal as its command, and an image of
  /// its own, without a name, that goes with it.
  fileprivate func recordHeldStep(
    _ place: (id: String, upper: FilePath, work: FilePath), _ step: HeldStep, _ state: StageState,
    _ addition: Addition, text: String
  ) async throws -> String {
    let (id, directory) = (place.id, place.upper.removingLastComponent())
    var config = state.config
    config.config?.env = state.scope.environment.environment
    // So that it is nobody else's image.
    config.history =
      (config.history ?? []) + [.init(createdBy: text, comment: "kept as \(id)", emptyLayer: true)]
    let image = try describe(config, layers: state.layers)
    var options = step.options
    options.image = image.manifestDigest.description
    options.entrypoint = []
    options.command = [state.execution.shell?.first ?? "/bin/sh"]
    options.terminal = TerminalOptions()
    options.opensStdin = true
    options.lifetime = .session
    options.labels = ["coracle.build.step": String(text.prefix(1000))]
    options.isBuildStep = true
    let connections = try await requests(options)
    let spec = try RuntimeSpec.container(
      id: id, image: step.image, options: options, volumes: [], directory: directory,
      lowers: lowers(state.layers), configuration: configuration)
    if !step.hasBoundFiles { try writeBoundFiles(spec, options, into: directory) }
    if options.network == .bridge {
      try await writeOwnNames(options, spec, connections.map(\.network), into: directory)
    }
    try writeNewFile(directory.appending("config.json"), encode(spec))
    options.resolvedCommand = spec.process?.args ?? []
    var record = ContainerRecord(
      id: id, name: "build-\(id.prefix(12))", imageDigest: image.manifestDigest,
      imageName: String(image.manifestDigest.hex.prefix(12)), createdAt: Timestamp.now,
      options: String(decoding: try encode(options), as: UTF8.self))
    record.session = try ownSession()
    let sizes = try await makeDurable([image], addition)
    let connected = connections.map {
      JournalEvent.networkConnected($0.network.id, name: $0.network.name, container: record)
    }
    try await metadata.insertBuildContainer(
      record, of: image, sizes: sizes, connecting: connections.map(\.1),
      choosing: Self.addressChoice,
      events: [.containerCreated(record.id, name: record.name, image: record.imageName)] + connected)
    return id
  }

  /// Removes what the secrets of steps were mounted from: of one step, or of all that are no containers, for whoever holds
  /// the collection lock alone.
  func removeSecrets(of id: String) throws {
    let directory = buildSecrets.appending(id)
    if fileExists(directory) { try removeTree(directory) }
  }

  func sweepSecrets(keeping containers: Set<String>) throws {
    guard fileExists(buildSecrets) else { return }
    for id in try directoryEntries(buildSecrets) where !containers.contains(id) {
      try removeSecrets(of: id)
    }
  }

  var buildSecrets: FilePath { configuration.runDirectory.appending("build-secrets") }
}
