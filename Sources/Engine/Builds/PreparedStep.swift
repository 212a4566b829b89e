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
  private(set) var inputs: StepInputs
  private(set) var copy: CopyStep?
  private(set) var mounts: [PreparedMount] = []
  /// What ADD fetches where nothing like it is in the cache.
  private var repository: (address: GitAddress, commit: String)?
  /// Nothing is carried out, and what it takes files from is not there yet.
  private(set) var isUnknown = false
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

  var changesFiles: Bool { [.run, .copy, .add, .workdir].contains(instruction.keyword) }

  // MARK: COPY and ADD

  private mutating func prepare(_ transfer: Transfer, _ state: StageState, isAdd: Bool) async throws {
    let file = run.dockerfile.file
    if transfer.isLinked { inputs["place"] = state.absolute(transfer.destination.text) }
    if let word = transfer.checksum, !isAdd || !transfer.sources.contains(where: Self.isRemote) {
      throw file.error(
        "a checksum is for what is fetched from elsewhere", at: word.position, hint: "leave --checksum out")
    }
    if transfer.sources.contains(where: Self.isRemote) {
      let source = try remote(transfer, isAdd: isAdd)
      if let address = try gitAddress(source, transfer) {
        try await prepare(address, transfer, state)
        return
      }
      if let checksum = transfer.checksum {
        // What it must be is known: it is fetched where nothing like it is in the cache.
        inputs["checksum"] = checksum.text
        note(try await owner(of: transfer, state), transfer)
        return
      }
      guard !run.isDry else {
        isUnknown = true
        return
      }
      copy = try await fetchedCopy(source, transfer, state)
    } else {
      guard let root = try await root(transfer.from, state) else {
        isUnknown = true
        return
      }
      copy = try await makeCopy(transfer, from: root, state, isAdd: isAdd)
    }
    guard let copy else { return }
    let digests = run.digests
    let found = try await untilCancelled { isCancelled in
      try await onBlockingThread("hash") { try copy.inputs(digests, isCancelled) }
    }
    inputs.merge(found) { $1 }
    note(copy.owner, transfer)
  }

  /// Without what is below, a name says nothing of whose the files are.
  private mutating func note(_ owner: (user: UInt32, group: UInt32)?, _ transfer: Transfer) {
    guard transfer.isLinked, transfer.owner?.text.isEmpty == false else { return }
    if let owner { inputs["owner"] = "\(owner.user):\(owner.group)" } else { isUnknown = true }
  }

  // MARK: Git

  private func gitAddress(_ source: Word, _ transfer: Transfer) throws -> GitAddress? {
    guard var address = try GitAddress(source, run.dockerfile.file) else { return nil }
    if let word = transfer.checksum {
      try address.setChecksum(word.text, at: word.position, run.dockerfile.file)
    }
    if let keeps = transfer.keepsGitDirectory { address.keepsGitDirectory = keeps }
    return address
  }

  private mutating func prepare(
    _ address: GitAddress, _ transfer: Transfer, _ state: StageState
  ) async throws {
    let file = run.dockerfile.file
    guard !run.isDry || address.knownCommit != nil else {
      isUnknown = true
      return
    }
    do {
      let commit = try await run.remote.commit(of: address)
      try run.remote.check(commit, address)
      inputs["commit"] = commit
      inputs["--keep-git-dir"] = "\(address.keepsGitDirectory)"
      repository = (address, commit)
    } catch let error as EngineError where error.kind != .cancelled {
      var error = error
      error.message = "\(file.name):\(instruction.range.start): ADD: \(error.message)"
      throw error
    }
    note(try await owner(of: transfer, state), transfer)
  }

  private func gitCopy(
    _ repository: (address: GitAddress, commit: String), _ transfer: Transfer, _ state: StageState
  ) async throws -> CopyStep {
    let root = try await run.remote.fetch(repository.address, repository.commit)
    var transfer = transfer
    let directory = repository.address.directory
    transfer.sources = [
      Word(
        directory.isEmpty ? "." : directory, at: transfer.sources.first?.position ?? instruction.range.start)
    ]
    transfer.unpacks = false
    return try await makeCopy(transfer, from: root, state, isAdd: true)
  }

  private func fetchedCopy(_ source: Word, _ transfer: Transfer, _ state: StageState) async throws -> CopyStep
  {
    let root = try await run.remote.fetch(source, checksum: transfer.checksum)
    var transfer = transfer
    transfer.sources = [Word(RemoteSources.fileName(source.text), at: source.position)]
    // Archives from elsewhere are only unpacked where that is asked for.
    transfer.unpacks = transfer.unpacks ?? false
    return try await makeCopy(transfer, from: root, state, isAdd: true)
  }

  private func makeCopy(
    _ transfer: Transfer, from root: SourceRoot, _ state: StageState, isAdd: Bool
  ) async throws -> CopyStep {
    let (file, keyword) = (run.dockerfile.file, instruction.keyword)
    var mode: ModeChange?
    if let word = transfer.mode, !word.text.isEmpty {
      mode = ModeChange(word.text)
      guard mode != nil else {
        throw file.error(
          "'\(word.text)' is not a mode", at: word.position, hint: "write it as 0755 or u=rwX,go=rX")
      }
    }
    let excluded = try IgnoreRules(transfer.excludes.map(\.text))
    let selection = try await onBlockingThread("select") {
      var selection = CopySelection(root, excluded: excluded, keepsParents: transfer.keepsParents) {
        word, message, hint in
        file.error("\(keyword.rawValue): \(message)", at: word.position, hint: hint)
      }
      for source in transfer.sources { try selection.select(source) }
      return (entries: selection.entries, matches: selection.matches.map { ($0.isDirectory, $0.entries) })
    }
    let target = transfer.destination.text
    let isDirectory = target.hasSuffix("/") || target == "." || target.hasSuffix("/.")
    guard selection.matches.count + transfer.inline.count <= 1 || isDirectory || transfer.keepsParents else {
      throw file.error(
        "\(keyword.rawValue) of several files needs a directory as its destination",
        at: transfer.destination.position, hint: "write \(target)/")
    }
    let position = instruction.range.start
    var step = CopyStep(
      transfer: transfer, isAdd: isAdd, root: root, entries: selection.entries,
      matches: selection.matches.map { (isDirectory: $0.0, entries: $0.1) },
      destination: state.absolute(target), mode: mode,
      failure: { file.error("\(keyword.rawValue): \($0)", at: position, hint: $1) })
    step.owner = try await owner(of: transfer, state)
    return step
  }

  /// Whose the copied files are to be; nil where that is not said, or cannot be known.
  private func owner(of transfer: Transfer, _ state: StageState) async throws -> (
    user: UInt32, group: UInt32
  )? {
    guard let word = transfer.owner, !word.text.isEmpty,
      !run.isDry || !(state.isFresh || state.lacksLayers)
    else { return nil }
    do {
      let identity = try UserDatabase(layers: run.engine.lowers(state.layers)).resolve(
        Self.ownerText(word.text))
      return (identity.uid, identity.gid)
    } catch {
      throw run.dockerfile.file.error(
        "\(instruction.keyword.rawValue): \(error.message)", at: word.position, hint: error.hint)
    }
  }

  /// A user without a group has the group of the same number, or its own by name.
  private static func ownerText(_ text: String) -> String {
    if text.contains(":") || UInt32(text) == nil { return text }
    return "\(text):\(text)"
  }

  private static func isRemote(_ source: Word) -> Bool {
    RemoteSources.isAddress(source.text)
  }

  /// The one address of an ADD.
  private func remote(_ transfer: Transfer, isAdd: Bool) throws -> Word {
    let file = run.dockerfile.file
    guard let source = transfer.sources.first(where: Self.isRemote) else {
      throw file.error("there is no address", at: instruction.range.start)
    }
    guard isAdd else {
      throw file.error(
        "COPY takes no files from elsewhere: \(source.text)", at: source.position, hint: "ADD does")
    }
    guard transfer.sources.count == 1, transfer.inline.isEmpty else {
      throw EngineError(
        .unsupported, "\(file.name):\(source.position): ADD: an address stands alone in its ADD",
        subject: source.text, hint: "write an ADD for each source")
    }
    return source
  }

  /// - Returns: nil where nothing is carried out, and it is not there yet.
  func root(_ from: Word?, _ state: StageState) async throws -> SourceRoot? {
    guard let from else {
      guard let context = run.context else {
        throw run.dockerfile.file.error(
          "there is no context to take files from", at: instruction.range.start,
          hint: "give the build a directory or an archive")
      }
      return context
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
      source = try await run.image(name, platform: run.request.platform).value
    case .context(.layout(let path, let tag, let digest)):
      source = try await run.layout(path, tag, digest).value
    case .context(.remote(let address)):
      if run.isDry { return nil }
      return try await run.remoteContext(address, at: from.position).value
    case .context(.directory(let path)):
      return try await onBlockingThread("context") {
        let directory: FileDescriptor
        do { directory = try openDirectory(path).release() } catch {
          throw EngineError("open the context \(from.text)", wrapping: error, subject: path.string)
        }
        return try ContainerEngine.context(OwnedDescriptor(directory), named: from.text, dockerfile: nil)
      }
    }
    if run.isDry, source.isFresh || source.lacksLayers { return nil }
    let (engine, name) = (run.engine, from.text)
    return try await onBlockingThread("open stage") { try engine.openTree(source.layers, name: name) }
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
      if mount.kind == .bind || mount.kind == .cache && mount.from != nil, prepared.copy == nil {
        isUnknown = true
      }
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
      var found = copy
      if let repository {
        found = try await gitCopy(repository, transfer, state)
      } else if found == nil, transfer.checksum != nil {
        found = try await fetchedCopy(try remote(transfer, isAdd: true), transfer, state)
      }
      guard let copy = found else { return nil }
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
