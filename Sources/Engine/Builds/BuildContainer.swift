import Dockerfile
import EngineErrors
import Layers
import LinuxSystem
import Metadata
import OCIModel
import Runner
import SystemPackage

/// The container of one RUN: it has no name and no row, ends with its service, and leaves a layer.
struct BuildContainer: Sendable {
  private let prepared: PreparedStep
  private let step: RunStep
  private let state: StageState
  private let addition: Addition
  private var build: BuildRun { prepared.run }
  private var engine: ContainerEngine { prepared.run.engine }

  init(_ prepared: PreparedStep, _ step: RunStep, _ state: StageState, _ addition: Addition) {
    self.prepared = prepared
    self.step = step
    self.state = state
    self.addition = addition
  }

  /// What is kept of a RUN's output until somebody has read it: one that prints for ever does not fill the disk.
  private static let logLimit = LogLimit(fileBytes: 256 << 20, files: 2)

  /// - Throws: `buildFailed` with the command and its last lines where it ends with another status than 0; where failures are
  ///   kept, with the container. Cancellation kills it; nothing of it is left then.
  func run() async throws -> LayerRecord {
    let place = try engine.prepareStep()
    var drafted: HeldStep?
    do {
      var held = HeldMounts()
      defer { held.release() }
      let draft = try await draft(place, &held)
      drafted = draft
      let layer = try await run(draft, in: place)
      // Its layer is whole, and the next instruction need not wait for its mounts to go.
      build.later { [self] in await cleanUp(place.id) }
      return layer
    } catch {
      guard var failure = error as? EngineError, failure.kind == .buildFailed, var step = drafted,
        build.request.debug != nil, build.claimHold()
      else {
        await cleanUp(place.id)
        throw error
      }
      step.hasBoundFiles = true
      failure.container = await Task { [step] in try? await hold(step, place) }.value
      throw failure
    }
  }

  /// Makes a container of the step without running it.
  ///
  /// - Returns: its id.
  func holdUnstarted() async throws -> String {
    let place = try engine.prepareStep()
    do {
      var held = HeldMounts()
      defer { held.release() }
      return try await hold(try await draft(place, &held), place)
    } catch {
      await cleanUp(place.id)
      throw error
    }
  }

  private func hold(_ step: HeldStep, _ place: (id: String, upper: FilePath, work: FilePath)) async throws
    -> String
  {
    do {
      // Of its run, nothing counts any more.
      try await engine.runner.cleanUp(place.id)
      // The kernel mounts nothing again with what a volatile overlay has worked in.
      try removeTree(place.work)
      try makeDirectories(place.work, mode: 0o700)
      return try await build.held(place, sparing(step), state, text: prepared.instruction.source)
    } catch {
      engine.log.error("cannot keep a step of a build: \(error)")
      await cleanUp(place.id)
      throw error
    }
  }

  /// With caches that are one RUN's at a time to look at alone: another RUN has them from now on.
  private func sparing(_ step: HeldStep) -> HeldStep {
    let own = prepared.mounts.filter { prepared in
      prepared.mount.kind == .cache && (prepared.mount.sharing ?? .shared) != .shared
    }.map(\.target)
    var step = step
    step.options.mounts = step.options.mounts?.map { mount in
      var mount = mount
      if own.contains(mount.target) { mount.isReadOnly = true }
      return mount
    }
    return step
  }

  /// Also in a task that is cancelled.
  private func cleanUp(_ id: String) async {
    let engine = engine
    await Task {
      if case .running = try? engine.runner.state(id) {
        try? engine.runner.signal(id, Signal.kill.rawValue)
        _ = try? await engine.runner.waitForExit(id)
      }
      try? await engine.runner.cleanUp(id)
      try? engine.removeSecrets(of: id)
      engine.discardStep(id)
    }.value
  }

  /// What its container is made from; its mounts are there then.
  private func draft(
    _ place: (id: String, upper: FilePath, work: FilePath), _ held: inout HeldMounts
  ) async throws -> HeldStep {
    let directory = place.upper.removingLastComponent()
    var options = ContainerOptions(image: "")
    options.entrypoint = []
    options.command = prepared.runArguments(step.command, state)
    options.hostname = build.request.hostname
    switch try build.network(of: step) {
    case .none: options.network = .none
    case .host: options.network = .host
    case .named(let name):
      options.network = .bridge
      options.networks = [NetworkAttachment(network: name)]
    }
    // As the build was allowed to give; see `prepare`.
    options.isPrivileged = step.isInsecure ? true : nil
    var environment = prepared.scope.variables
    for name in BuildInputs.proxies where environment[name] == nil {
      environment[name] = build.request.arguments[name]
    }
    options.mounts = try await mounts(directory, place.id, &environment, &held)
    if let script = try script(directory) { options.mounts = (options.mounts ?? []) + [script] }

    var image = state.config
    image.config?.env = environment.environment
    return HeldStep(options: options, image: image)
  }

  private func run(_ step: HeldStep, in place: (id: String, upper: FilePath, work: FilePath)) async throws
    -> LayerRecord
  {
    let directory = place.upper.removingLastComponent()
    let network = step.options.network == .bridge ? try await build.networks?.take() : nil
    // What may do anything in a network may leave anything in it.
    defer { if let network, !self.step.isInsecure { build.networks?.putBack(network) } }
    var spec = try RuntimeSpec.container(
      id: place.id, image: step.image, options: step.options, volumes: [], directory: directory,
      lowers: engine.lowers(state.layers),
      configuration: engine.configuration)
    try engine.writeBoundFiles(spec, step.options, into: directory)
    if let network {
      try engine.writeNames(of: network.network, spec.hostname, step.options, into: directory)
      spec.join(network: network.namespace)
    }
    let root = OverlayRoot(
      lowers: engine.lowers(state.layers) + [engine.mountPoints], upper: place.upper, work: place.work,
      isVolatile: true)
    let plan = try LaunchPlan.compile(spec: spec, root: root, isRootless: engine.configuration.isRootless)
    let log = directory.appending("log")
    let lines: BuildOutputLines
    let exit: ExitRecord
    do {
      let container = try await engine.runner.prepare(
        place.id, plan, resources: spec.linux?.resources, log: log, limit: Self.logLimit, openStdin: false,
        endsWithService: true, holding: network.map { [$0.namespace] } ?? [])
      if let network {
        do { try await network.ready.value } catch {
          await engine.runner.callOff(container)
          throw error
        }
      }
      _ = try await engine.runner.start(container)
      async let ended = engine.runner.waitForExit(place.id)
      lines = try await follow(place.id, log)
      exit = try await ended
    } catch let error as EngineError {
      try Task.checkCancellation()
      if error.kind == .noSpace { throw fullDisk("it cannot be run", [error.message] + error.causes) }
      // Only where its own command is what could not be executed, it has ended with the shell's code.
      guard case .exited = try? engine.runner.state(place.id),
        error.kind == .notFound || error.kind == .permissionDenied
      else { throw error }
      throw EngineError(
        .buildFailed, "cannot execute \(commandText.prefix(200))", subject: "RUN",
        causes: [error.message] + error.causes, hint: hint(127))
    }
    try Task.checkCancellation()
    try check(exit, lines, in: place)
    let (engine, state, time, addition) = (engine, state, build.time, addition)
    let (warnings, mountPoints) = (build.layerWarnings, RuntimeSpec.mountPoints(spec))
    return try await untilCancelled { isCancelled in
      try await onBlockingThread("pack") {
        try engine.packLayer(
          place.upper, on: state.layers, mountPoints: mountPoints, time, addition, warnings, isCancelled)
      }
    }
  }

  private func follow(_ id: String, _ log: FilePath) async throws -> BuildOutputLines {
    var lines = BuildOutputLines(step: prepared.number.number)
    for try await record in try await engine.runner.log(id, at: log, from: .beginning, follow: true) {
      let whole: [UInt8] =
        switch record.content {
        case .stdout(let bytes): lines.take(bytes, .stdout)
        case .stderr(let bytes): lines.take(bytes, .stderr)
        case .lost(let bytes): lines.lost(bytes)
        }
      if !whole.isEmpty { try await build.output?.write(whole) }
    }
    let rest = lines.finish()
    if !rest.isEmpty { try await build.output?.write(rest) }
    return lines
  }

  private func fullDisk(_ what: String, _ causes: [String]) -> EngineError {
    EngineError(
      .noSpace, "the disk is full, and \(what): \(commandText.prefix(500))", subject: "RUN", causes: causes,
      hint: "make room; `prune` tells what may go")
  }

  private func check(
    _ exit: ExitRecord, _ lines: BuildOutputLines, in place: (id: String, upper: FilePath, work: FilePath)
  ) throws {
    let status = ExitStatus(exit)
    guard status.code != 0 || status.signal != nil else { return }
    if try isDiskFull(at: place.upper, isPrivileged: !engine.configuration.isRootless) {
      throw fullDisk("it failed", lines.last)
    }
    let how = status.signal.map { "was killed by \($0)" } ?? "failed with exit code \(status.code)"
    throw EngineError(
      .buildFailed, "the command \(how): \(commandText.prefix(500))", subject: "RUN", causes: lines.last,
      hint: hint(status.code, lines.last))
  }

  private func hint(_ code: Int32, _ lines: [String] = []) -> String? {
    if code == 127 { return "look whether the image has the program, and for its name in PATH" }
    let wantsNetwork = lines.contains { line in
      ["resolve", "unreachable", "resolution", "name server", "bad address"].contains { line.contains($0) }
    }
    guard wantsNetwork, (try? build.network(of: step)) == RunNetwork.none else { return nil }
    if step.network == .none { return "this RUN asks for no network" }
    return build.networkWarning ?? "the build was given no network (--network none)"
  }

  private var commandText: String {
    switch step.command {
    case .exec(let list): list.joined(separator: " ")
    case .shell(let text, _): text
    }
  }

  // MARK: Mounts

  private func mounts(
    _ directory: FilePath, _ id: String, _ environment: inout Variables, _ held: inout HeldMounts
  ) async throws -> [MountOptions] {
    var mounts: [MountOptions] = []
    let locked = try await lockCaches(&held.locks)
    for (index, prepared) in prepared.mounts.enumerated() {
      let mount = prepared.mount
      switch mount.kind {
      case .tmpfs:
        var options = MountOptions(.tmpfs, target: prepared.target)
        options.sizeBytes = mount.size
        mounts.append(options)
      case .cache:
        let (source, lock) = try await cache(prepared, isLocked: locked.contains(cacheID(prepared)))
        if let lock { held.locks.append(lock) }
        var options = MountOptions(.bind, target: prepared.target)
        options.source = source.string
        // What is in a cache, RUNs may have exchanged for anything: it is looked up beneath it (CVE-2024-23651).
        options.subpath = prepared.file.map { NameText.path($0).string }
        options.isReadOnly = mount.isReadOnly
        mounts.append(options)
      case .bind:
        let source = try await bind(prepared, directory.appending("mount-\(index)"))
        var options = MountOptions(.bind, target: prepared.target)
        options.source = source.string
        options.isReadOnly = mount.isReadOnly
        mounts.append(options)
      case .secret:
        if let options = try secret(
          prepared, engine.buildSecrets.appending(id).appending("\(index)"), &environment)
        {
          mounts.append(options)
        }
      case .ssh:
        guard let agent = build.request.agents[mount.id ?? "default"] else { break }
        let place = engine.buildSecrets.appending(id).appending("\(index)")
        try makeDirectories(place.removingLastComponent(), mode: 0o700)
        let relay = try AgentRelay(
          at: place, to: agent, owner: (mount.user ?? 0, mount.group ?? 0), mode: mount.mode ?? 0o600)
        held.relays.append(relay)
        try relay.start()
        var options = MountOptions(.bind, target: prepared.target)
        options.source = place.string
        mounts.append(options)
        if environment["SSH_AUTH_SOCK"] == nil { environment["SSH_AUTH_SOCK"] = prepared.target }
      }
    }
    return mounts
  }

  /// A copy, so that what is ignored is not there, and what is written is nobody else's.
  private func bind(_ prepared: PreparedMount, _ place: FilePath) async throws -> FilePath {
    guard let copy = prepared.copy else { return place }
    let file = prepared.file
    let options = engine.unpackOptions
    return try await untilCancelled { isCancelled in
      try await onBlockingThread("mount") {
        try makeDirectories(place, mode: 0o755)
        let tree = try openDirectory(place)
        try copy.carryOut(in: tree.descriptor, options, time: nil, isCancelled)
        return file.map { place.appending(NameText.path($0).components) } ?? place
      }
    }
  }

  private func cacheID(_ prepared: PreparedMount) -> String {
    let origin =
      prepared.inputs.isEmpty ? "" : " \(StepKey.make(parent: StepKey.nothing, prepared.inputs).short)"
    return (build.request.cacheNamespace ?? "") + (prepared.mount.id ?? prepared.target) + origin
  }

  /// Takes the locks of all caches that this RUN wants for itself, each once and in one order: so no two builds wait for each
  /// other, and none for itself.
  ///
  /// - Returns: their ids.
  private func lockCaches(_ locks: inout [FileLock]) async throws -> Set<String> {
    let wanted = Set(
      prepared.mounts.filter { $0.mount.kind == .cache && $0.mount.sharing == .locked }.map(cacheID))
    if !wanted.isEmpty { try makeDirectories(engine.cacheMounts, mode: 0o700) }
    for name in wanted.map({ ContainerEngine.cacheMountName($0) }).sorted() {
      locks.append(try await FileLock.acquire(engine.cacheMounts.appending(name + ".lock")))
    }
    return wanted
  }

  /// Kept from build to build, under a name that is made of the id and leads nowhere else (CVE-2024-9675).
  ///
  /// One that begins with files of others is another one where those are others. It is a directory in the store also where one
  /// file is mounted.
  ///
  /// - Parameter isLocked: whether this RUN holds it for itself already.
  /// - Returns: its directory, also where one file in it is mounted.
  private func cache(_ prepared: PreparedMount, isLocked: Bool) async throws -> (FilePath, FileLock?) {
    let mount = prepared.mount
    let caches = engine.cacheMounts
    let id = cacheID(prepared)
    let name = ContainerEngine.cacheMountName(id)
    let sharing = mount.sharing ?? .shared
    var place = caches.appending(name)
    var lock: FileLock?
    try makeDirectories(caches, mode: 0o700)
    switch sharing {
    case _ where isLocked: break
    case .shared, .locked: break
    case .private:
      for number in 0..<1000 where lock == nil {
        place = caches.appending(number == 0 ? name : "\(name)-\(number)")
        lock = try FileLock.tryAcquire(FilePath(place.string + ".lock"))
      }
      guard lock != nil else {
        throw EngineError(
          .conflict, "a thousand builds use a cache of their own at \(prepared.target)", subject: id,
          hint: "try again when some have ended, or share it (sharing=shared)", retriable: true)
      }
    }
    if !fileExists(place) {
      // It gets its name when all is in it; where another build was first, that one stays.
      let stage = engine.newCacheMount()
      do {
        let filled = try await bind(prepared, stage)
        try makeDirectories(stage, mode: 0o755)
        // To open a FIFO would wait for somebody who writes into it.
        guard let kind = fileKind(filled), kind == .regular || kind == .directory else {
          throw build.dockerfile.file.error(
            "RUN: '\(mount.source ?? ".")' is neither a file nor a directory", at: mount.word.position,
            hint: "a cache begins with one of them")
        }
        let made = try FileDescriptor.open(filled, .readOnly, options: [.closeOnExec, .noFollow])
        try made.closeAfter {
          try made.setOwner(mount.user ?? 0, group: mount.group ?? 0)
          if let mode = mount.mode ?? (filled == stage ? 0o755 : nil) { try made.setPermissions(mode) }
        }
        if try !renameUnlessPresent(stage, to: place) { try removeTree(stage) }
      } catch {
        try? removeTree(stage)
        throw error
      }
    }
    engine.noteCacheMount(place, id: id)
    return (place, lock)
  }

  /// On a tmpfs, and only as long as the RUN takes.
  private func secret(
    _ prepared: PreparedMount, _ place: FilePath, _ environment: inout Variables
  ) throws -> MountOptions? {
    let mount = prepared.mount
    let name = mount.secretName
    guard let secret = build.request.secrets[name] else { return nil }
    let bytes = try secret.bytes(name)
    if let variable = mount.variable {
      guard !bytes.contains(0) else {
        throw build.dockerfile.file.error(
          "RUN: the secret \(name) has a NUL in it, which no variable can have", at: mount.word.position,
          hint: "mount it as a file, without env")
      }
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw build.dockerfile.file.error(
          "RUN: the secret \(name) is no UTF-8, which variables are here", at: mount.word.position,
          hint: "mount it as a file, without env")
      }
      environment[variable.isEmpty ? name : variable] = text
      if mount.target == nil { return nil }
    }
    try makeDirectories(place.removingLastComponent(), mode: 0o700)
    try writeNewFile(place, bytes)
    let file = try FileDescriptor.open(place, .readOnly, options: .closeOnExec)
    try file.closeAfter {
      try file.setOwner(mount.user ?? 0, group: mount.group ?? 0)
      try file.setPermissions(mount.mode ?? 0o400)
    }
    var options = MountOptions(.bind, target: prepared.target)
    options.source = place.string
    options.isReadOnly = true
    return options
  }

  /// The file of a RUN that is nothing but a heredoc with an interpreter of its own.
  private func script(_ directory: FilePath) throws -> MountOptions? {
    guard case .shell(let text, let heredocs) = step.command,
      let script = PreparedStep.onlyHeredoc(text, heredocs), script.content.hasPrefix("#!")
    else { return nil }
    let place = directory.appending("script")
    try writeNewFile(place, Array(script.content.utf8))
    let file = try FileDescriptor.open(place, .readOnly, options: .closeOnExec)
    try file.closeAfter { try file.setPermissions(0o755) }
    var options = MountOptions(.bind, target: PreparedStep.scriptPath(script))
    options.source = place.string
    options.isReadOnly = true
    return options
  }
}

/// What is held for a RUN's mounts as long as it runs.
private struct HeldMounts {
  var locks: [FileLock] = []
  var relays: [AgentRelay] = []

  func release() {
    for lock in locks { lock.release() }
    for relay in relays { relay.stop() }
  }
}

extension BuildSecret {
  /// - Parameter name: by which errors call it.
  func bytes(_ name: String) throws -> [UInt8] {
    switch self {
    case .value(let value): return value
    case .file(let path):
      do {
        // Where it is a link, its target is meant. To open a FIFO must not wait for who writes into it.
        let file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
        return try file.closeAfter {
          guard try file.status().kind == .regular else {
            throw EngineError(
              .invalidArgument, "\(path) is no regular file", subject: path.string,
              hint: "give what is in it as the secret's value")
          }
          return try readSmall(file, limit: 512 << 10, on: path)
        }
      } catch {
        throw EngineError("read the secret \(name)", wrapping: error, subject: path.string)
      }
    }
  }
}

extension PreparedStep {
  /// What is executed.
  func runArguments(_ command: StepCommand, _ state: StageState) -> [String] {
    switch command {
    case .exec(let list): return list
    case .shell(let text, let heredocs):
      if let only = Self.onlyHeredoc(text, heredocs) {
        if only.content.hasPrefix("#!") { return shell(state) + [Self.scriptPath(only)] }
        return shell(state) + [only.content]
      }
      // The shell reads them itself.
      return shell(state) + [heredocs.reduce(into: text) { $0 += "\n" + $1.body + $1.name }]
    }
  }

  static func onlyHeredoc(_ text: String, _ heredocs: [Heredoc]) -> Heredoc? {
    guard heredocs.count == 1, Heredoc(word: text) != nil else { return nil }
    return heredocs.first
  }

  static func scriptPath(_ script: Heredoc) -> String {
    let name = script.name.replacing("/", with: "_")
    let isName = name != "." && name != ".." && (1...NameText.longest).contains(name.utf8.count)
    return "/dev/pipes/" + (isName ? name : "script")
  }
}
