import Dockerfile
import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import Runner
import SystemPackage

/// An instruction of which all is known that decides about its outcome.
struct PreparedStep: Sendable {
  /// Its variables have their values.
  let instruction: Instruction
  let run: BuildRun
  let number: BuildRun.StepNumber
  var inputs: StepInputs
  /// Of COPY and ADD, in the order in which they are written.
  var sources: [TransferSource] = []
  /// Nil where something has to be fetched first.
  var copy: CopyStep?
  private(set) var mounts: [PreparedMount] = []
  /// Why it is not known all that decides about it: nothing is carried out, and what it takes files from is not there yet.
  var unknown: String?
  /// As the stage is after the instruction's own variables.
  let scope: StageScope

  init(
    _ instruction: Instruction, _ state: StageState, _ number: BuildRun.StepNumber, _ run: BuildRun
  ) async throws {
    self.instruction = instruction
    self.run = run
    self.number = number
    scope = state.scope
    inputs = instruction.ownInputs
    if changesFiles { inputs["time"] = "\(run.time.seconds)" }
    switch instruction.content {
    case .copy(let transfer): try await prepare(transfer, state, isAdd: false)
    case .add(let transfer): try await prepare(transfer, state, isAdd: true)
    case .run(let step): try await prepare(step, state)
    case .workdir(let word): try checkPath(word, state)
    default: break
    }
  }

  /// Its layer is the same whatever is below it.
  var isLinked: Bool {
    switch instruction.content {
    case .copy(let transfer), .add(let transfer): transfer.isLinked
    default: false
    }
  }

  /// - Throws: `invalidArgument` for a path that no file system takes.
  func checkPath(_ word: Word, _ state: StageState) throws {
    let path = state.absolute(word.text)
    let longest = path.utf8.split(separator: UInt8(ascii: "/")).map(\.count).max() ?? 0
    guard longest > NameText.longest || path.utf8.count > NameText.longestPath else { return }
    throw run.dockerfile.file.error(
      "\(instruction.keyword.rawValue): the path '\(word.text.prefix(100))...' is too long",
      at: word.position,
      hint: "a name has at most \(NameText.longest) bytes, and a path \(NameText.longestPath)")
  }

  var changesFiles: Bool { [.run, .copy, .add, .workdir].contains(instruction.keyword) }

  /// What a step takes files from.
  enum Root {
    case there(SourceRoot)
    /// Nothing is carried out, and it is not there yet; why.
    case unknown(String)
  }

  static func unasked(_ address: String) -> String { "it would have to be asked for: \(address.prefix(200))" }

  func root(_ from: Word?, _ state: StageState) async throws -> Root {
    guard let from else {
      guard let context = run.context else {
        throw run.dockerfile.file.error(
          "there is no context to take files from", at: instruction.range.start,
          hint: "give the build a directory or an archive")
      }
      return .there(context)
    }
    let plan = BuildPlan(run.dockerfile, run.global, run.request.namedContexts)
    let origin: BuildPlan.Origin
    if number.ordinal == 0, let directory = plan.context(from.text) {
      // What FROM a directory stands for; its stage may have the directory's own name.
      origin = .context(directory)
    } else {
      origin = try plan.source(from.text, in: number.index, at: from.position)
    }
    let source: StageState
    switch origin {
    case .scratch:
      throw run.dockerfile.file.error(
        "there are no files in scratch", at: from.position, hint: "name a stage, an image or a context")
    case .stage(let index): source = try await run.stage(index).value
    case .image(let name), .context(.image(let name)):
      do { source = try await run.image(name, platform: run.request.platform).value } catch {
        guard case .image = origin else { throw error }
        throw run.meant(error, name, before: number.index)
      }
    case .context(.layout(let path, let tag, let digest)):
      source = try await run.layout(path, tag, digest).value
    case .context(.remote(let address)):
      if run.isDry { return .unknown(Self.unasked(address)) }
      return .there(try await run.remoteContext(address).value)
    case .context(.directory(let path)):
      return try await onBlockingThread("context") {
        let directory: FileDescriptor
        do { directory = try openDirectory(path).release() } catch {
          throw EngineError("open the context \(from.text)", wrapping: error, subject: path.string)
            .hinting("give the path of a directory that is there")
        }
        return .there(
          try ContainerEngine.context(
            OwnedDescriptor(directory), named: from.text, .context(dockerfile: nil)))
      }
    }
    if run.isDry, source.isFresh || source.lacksLayers {
      return .unknown("what it takes files from is not in the store yet, or is built anew: \(from.text)")
    }
    let (engine, name) = (run.engine, from.text)
    return try await onBlockingThread("open stage") {
      .there(try engine.openTree(source.layers, name: name))
    }
  }

  // MARK: RUN

  private mutating func prepare(_ step: RunStep, _ state: StageState) async throws {
    let file = run.dockerfile.file
    let position = instruction.range.start
    if step.isInsecure {
      guard run.request.entitlements.contains(.insecure) else {
        throw EngineError(
          .permissionDenied, "\(file.name):\(position): RUN: --security=insecure is not given to the build",
          subject: "security", hint: "give it with --allow security.insecure")
      }
      inputs["security"] = "insecure"
    }
    if !step.devices.isEmpty {
      // Of the frontend's labs channel only.
      throw EngineError(
        .unsupported, "\(file.name):\(position): RUN: devices are not given to builds", subject: "device",
        hint: "leave --device out")
    }
    inputs["network"] = try run.network(of: step).name
    if run.request.hostname != BuildRequest.hostname { inputs["hostname"] = run.request.hostname }
    for (index, mount) in step.mounts.enumerated() {
      let prepared = try await PreparedMount(mount, self, state)
      unknown = unknown ?? prepared.unknown
      for (name, value) in prepared.inputs {
        // Several mounts may have files of one name.
        inputs[index == 0 ? name : "\(name) in mount \(index + 1)", default: ""] += value
      }
      mounts.append(prepared)
    }
  }

  // MARK: Carrying it out

  /// - Returns: the layer; nil where no file is changed.
  func carryOut(on state: StageState, _ reporter: TaskReporter) async throws -> LayerRecord? {
    guard let addition = run.addition else { return nil }
    let (engine, time, warnings) = (run.engine, run.time, run.layerWarnings)
    switch instruction.content {
    case .copy(let transfer), .add(let transfer):
      let copy = if let copy { copy } else { try await fetched(transfer, state) }
      return try await untilCancelled { isCancelled in
        try await onBlockingThread("copy") {
          let options = engine.unpackOptions
          let below = transfer.isLinked ? [] : state.layers
          return try engine.makeLayer(on: below, time, addition, warnings, isCancelled) { tree in
            try copy.carryOut(in: tree, options, time: time.file, isCancelled)
            return true
          }
        }
      }
    case .workdir(let word):
      let path = state.absolute(word.text)
      let owner = try owner(state)
      return try await onBlockingThread("workdir") {
        let options = engine.unpackOptions
        return try engine.makeLayer(on: state.layers, time, addition, warnings, { false }) { tree in
          let (place, missing) = try CopyStep.deepest(path, in: tree)
          if missing.isEmpty { return false }
          try CopyStep.write(into: tree, at: place, options, time.file) { archive in
            for path in missing {
              try archive.addDirectory(Array(path.utf8), permissions: 0o755, owner: owner)
            }
          }
          return true
        }
      }
    case .run(let step):
      return try await BuildContainer(self, step, state, addition).run()
    default: return nil
    }
  }

  private func owner(_ state: StageState) throws -> (user: UInt32, group: UInt32) {
    let user = state.execution.user ?? ""
    guard !user.isEmpty else { return (0, 0) }
    let identity = try UserDatabase(layers: run.engine.lowers(state.layers)).resolve(user)
    return (identity.uid, identity.gid)
  }
}
