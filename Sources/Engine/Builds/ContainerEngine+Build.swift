import ContentStore
import Dockerfile
import EngineErrors
import Glibc
import Layers
import LinuxSystem
import Metadata
import OCIModel
import SystemPackage

extension ContainerEngine {
  /// Builds an image.
  ///
  /// It appears whole or not at all, durable when this returns. Steps that are finished when a build fails stay for the next
  /// one.
  /// - Parameter output: gets the lines that RUNs write, each with `#STEP ` in front; may wait for its receiver.
  /// - Throws: `invalidArgument` with file, line and column for what is wrong with the Dockerfile; `buildFailed` for a RUN
  ///   that fails, with its last lines as causes; what pulling throws. Cancellation stops all that runs.
  package func build(
    _ request: BuildRequest, reporter: TaskReporter = .silent,
    output: (@Sendable ([UInt8]) async throws -> Void)? = nil
  ) async throws -> BuildResult {
    for reference in request.references { try refuseDigest(reference) }
    let addition = try await beginAddition()
    defer { addition.end() }
    let id = ContainerName.newIdentifier()
    let name = request.references.first?.familiar
    do {
      return try await withBuild(request, addition, reporter, output) { build, target, state in
        let draft = try draft(state, request, build)
        let warnings = try await warnings(build)
        // Where that fails, there is no image.
        try await build.saveSteps(all: true)
        // What may fail at a registry comes before what is left behind here.
        let exported = try await exportCache(build, target, reporter: reporter)
        let written = try await write(
          draft, request.references.map(\.description), to: request.outputs, reporter: reporter)
        let image =
          request.keepsImage
          ? try await keep(draft, request, build, addition, id: id) : try await forget(draft, build, id: id)
        return BuildResult(
          image: image, steps: build.steps, warnings: warnings, written: written,
          cacheExport: exported, requestWarnings: build.requestWarnings, cacheWarnings: build.cacheWarnings,
          networkWarning: build.networkWarning)
      }
    } catch {
      let kind = (error as? EngineError)?.kind ?? (error is CancellationError ? .cancelled : .internal)
      // Also in a task that is cancelled.
      await Task { [metadata] in
        try? await metadata.append(.buildFailed(id, name: name, error: kind.rawValue))
      }.value
      throw error
    }
  }

  /// Tells for each instruction whether it would come from the cache, and if not why. Nothing is carried out, and no image, file of
  /// the web or repository is fetched for an instruction: what only those would tell is unknown. What is read is a context that is
  /// elsewhere, where the Dockerfile is, and what caches in registries say of themselves, none of their layers.
  ///
  /// - Throws: as `build` for what is wrong with the Dockerfile, warnings that it wants as errors included.
  package func explainBuild(_ request: BuildRequest) async throws -> BuildExplanation {
    // So that no layer goes while it is looked at.
    let held = try await beginAddition()
    defer { held.end() }
    return try await withBuild(request, nil, .silent, nil) { build, _, _ in
      BuildExplanation(
        steps: build.steps, warnings: try await warnings(build), requestWarnings: build.requestWarnings,
        cacheWarnings: build.cacheWarnings)
    }
  }

  private func warnings(_ build: BuildRun) async throws -> [LintWarning] {
    let found = try await onThreadUntilCancelled("lint") { isCancelled in
      Linter.check(
        build.dockerfile, build.global, environment: { build.environment($0) },
        ignored: build.context?.ignored ?? IgnoreRules(), isCancelled: isCancelled)
    }
    return (found + build.warnings).sorted {
      ($0.position, $0.rule.rawValue) < ($1.position, $1.rule.rawValue)
    }
  }

  /// - Throws: `invalidArgument` where there are warnings, and the file asks for errors instead.
  private func refuse(_ warnings: [LintWarning], of dockerfile: Dockerfile) throws(EngineError) {
    guard dockerfile.directives.check.isError, let first = warnings.first else { return }
    throw dockerfile.file.error(
      "\(first.rule.rawValue): \(first.message)", at: first.position,
      hint: "the file asks for this to be an error, with # check=error=true")
  }

  /// Reads the file, carries out what is to be built of it, and gives the stage that came of it to `body`.
  ///
  /// - Parameters:
  ///   - opened: the context, where it is open.
  ///   - keepsSteps: whether what is built becomes the cache's.
  func withBuild<Result: Sendable>(
    _ request: BuildRequest, _ addition: Addition?, _ reporter: TaskReporter,
    _ output: (@Sendable ([UInt8]) async throws -> Void)?, opened: SourceRoot? = nil, keepsSteps: Bool = true,
    _ body: (BuildRun, Int, StageState) async throws -> Result
  ) async throws -> Result {
    let name = request.dockerfile ?? "Dockerfile"
    let context: SourceRoot?
    if let opened {
      context = opened
    } else {
      context = try await openContext(request.context, request, reporter)
    }
    let (dockerfile, target, global) = try await onThreadUntilCancelled("dockerfile") { isCancelled in
      let bytes = try request.dockerfileText ?? Self.readDockerfile(name, in: context)
      var dockerfile = try Dockerfile(parsing: bytes, name: name, isCancelled: isCancelled)
      if let check = request.check { dockerfile.directives.check = try LintConfiguration(parsing: check) }
      let target = try dockerfile.target(request.target)
      let global = try GlobalScope(
        dockerfile,
        BuildInputs(
          arguments: request.arguments, buildPlatform: .init(Platform.host),
          targetPlatform: .init(request.platform), target: dockerfile.stages[target].name ?? ""))
      // What is known without its images.
      let found = Linter.check(
        dockerfile, global, ignored: context?.ignored ?? IgnoreRules(), isCancelled: isCancelled)
      try self.refuse(found, of: dockerfile)
      return (dockerfile, target, global)
    }
    let build = try BuildRun(
      self, request, dockerfile, global, context: context, digests: FileDigests(digestFile(request)),
      addition: addition, reporter: reporter, output: output, keepsSteps: keepsSteps)
    try build.checkDebug(target)
    if request.wantsInlineCache, request.cacheTarget == nil {
      build.warn(
        "BUILDKIT_INLINE_CACHE puts no cache into the image here: send one with cacheTo (--cache-to)")
    }
    if request.wantsIndex {
      build.note("BUILDKIT_MULTI_PLATFORM makes no index here: an image is for one platform (--platform)")
    }
    if let frontend = request.otherFrontend(dockerfile.directives) {
      build.note(
        "the file asks for the frontend \(frontend.prefix(200)), and is read as one for docker/dockerfile:1.20"
      )
    }
    try await build.importCaches()
    do {
      let state = try await build.run(target)
      // Now that all images are known, there may be more.
      try refuse(try await warnings(build), of: dockerfile)
      build.checkRequest()
      let result = try await body(build, target, state)
      try await build.saveSteps(all: true)
      return result
    } catch {
      // What was finished is of use to the next build, whatever failed here.
      await Task { try? await build.saveSteps(all: true) }.value
      throw error
    }
  }

  private var buildDigests: FilePath { configuration.storeDirectory.appending("build-digests") }

  /// Forgets the files of contexts that nobody has built for a month.
  func sweepDigests() throws {
    guard fileExists(buildDigests) else { return }
    for name in try directoryEntries(buildDigests) {
      let file = buildDigests.appending(name)
      if try fileAge(file) > 30 * 24 * 3600 { try removeFile(file) }
    }
  }

  private func digestFile(_ request: BuildRequest) -> FilePath? {
    guard case .directory(let path) = request.context else { return nil }
    guard (try? makeDirectories(buildDigests, mode: 0o700)) != nil else { return nil }
    return buildDigests.appending(Digest(of: path.string.utf8).hex)
  }

  // MARK: The context

  /// - Parameter request: which Dockerfile's `.dockerignore` counts, and with what a context that is elsewhere is asked for.
  func openContext(
    _ context: BuildContext?, _ request: BuildRequest, _ reporter: TaskReporter = .silent
  ) async throws -> SourceRoot? {
    try request.validate()
    let ignore = IgnoreSource(request)
    switch context {
    case nil: return nil
    case .directory(let path):
      return try await onBlockingThread("context") {
        let directory: FileDescriptor
        do { directory = try openDirectory(path).release() } catch {
          throw EngineError("open the context \(path)", wrapping: error, subject: path.string)
            .hinting("give the path of a directory that is there")
        }
        return try Self.context(OwnedDescriptor(directory), ignore)
      }
    case .archive(let source):
      do {
        return try await unpackContext(ignore) { body in try source.read({ _ in }, body) }
      } catch {
        source.stop()
        throw error
      }
    case .remote(let address):
      let remote = RemoteSources(engine: self, request: request, reporter: reporter)
      let root = try await remote.root(of: address)
      let isGit = try GitAddress(address, RemoteSources.failure(of: address)) != nil
      if isGit {
        return try await onBlockingThread("context") {
          try Self.context(
            OwnedDescriptor(root.descriptor.openDirectoryInRoot("/").release()), ignore
          ) {
            withExtendedLifetime(root) {}
          }
        }
      }
      let limits = unpackOptions.limits
      return try await unpackContext(ignore) { body in
        func open() throws -> OwnedDescriptor {
          try root.descriptor.openInRoot(
            FilePath("/" + RemoteSources.fileName(address)), flags: O_RDONLY | O_CLOEXEC)
        }
        let looked = try open()
        guard try ArchiveFile.isArchive(looked.descriptor) else {
          throw EngineError(
            .unsupported, "\(address.prefix(200)) is no archive", subject: address,
            hint: "a context is a directory, an archive or a git repository")
        }
        let file = try open()
        try ArchiveFile.read(file.descriptor, limits, body)
      }
    }
  }

  /// The context that an archive has.
  ///
  /// - Parameter read: gives its bytes, on a thread of its own.
  private func unpackContext(
    _ ignore: IgnoreSource,
    _ read: @escaping @Sendable ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) async throws -> SourceRoot {
    let step = try prepareStep()
    do {
      return try await untilCancelled { [self] isCancelled in
        try await onBlockingThread("context") { [self] in
          var options = unpackOptions
          options.copy = CopyOptions(place: [])
          options.copy?.makesDevices = false
          options.copy?.owner = effectiveIDs()
          let unpacker = try LayerUnpacker(into: step.upper, options: options)
          try read { bytes in
            if isCancelled() { throw EngineError.cancelled("reading the context") }
            try unpacker.write(bytes)
          }
          _ = try unpacker.finish()
          return try Self.context(OwnedDescriptor(openDirectory(step.upper).release()), ignore) {
            [self] in
            discardStep(step.id)
          }
        }
      }
    } catch {
      discardStep(step.id)
      throw EngineError("read the context", wrapping: error)
    }
  }

  static func context(
    _ directory: consuming OwnedDescriptor, named title: String = "the context", _ ignore: IgnoreSource,
    cleanUp: @escaping @Sendable () -> Void = {}
  ) throws -> SourceRoot {
    var rules = IgnoreRules()
    if case .text(let bytes, let name) = ignore {
      rules = try IgnoreRules(parsing: bytes, name: name)
    } else {
      for name in ignore.files {
        guard let bytes = try read(name, in: directory.descriptor) else { continue }
        rules = try IgnoreRules(parsing: bytes, name: name)
        break
      }
    }
    return SourceRoot(directory, name: title, ignored: rules, isContext: true, cleanUp: cleanUp)
  }

  private static func readDockerfile(_ name: String, in context: SourceRoot?) throws -> [UInt8] {
    guard let context else {
      throw EngineError(
        .invalidArgument, "there is neither a context nor a Dockerfile", hint: "give one of them")
    }
    if let bytes = try read(name, in: context.descriptor) { return bytes }
    let names =
      (try? context.descriptor.sortedEntries())?.map { String(decoding: $0.name, as: UTF8.self) } ?? []
    throw EngineError(
      .notFound, "there is no \(name) in the context", subject: name,
      hint: NearMiss.hint(name, in: names, ignoringCase: true) ?? "name it with --file")
  }

  /// A file of the context, which no link leads out of; nil where there is none.
  private static func read(_ name: String, in directory: FileDescriptor) throws -> [UInt8]? {
    let path = FilePath("/" + name)
    guard let status = try directory.statusInRoot(path), status.kind == .regular else { return nil }
    guard status.size <= documentLimit else {
      throw EngineError(.invalidArgument, "\(name) has more than \(documentLimit) bytes", subject: name)
    }
    let file = try directory.openInRoot(path, flags: O_RDONLY | O_CLOEXEC)
    var bytes = [UInt8](repeating: 0, count: Int(status.size))
    let count = try bytes.withUnsafeMutableBytes { try file.descriptor.readFully(into: $0) }
    return Array(bytes[..<count])
  }

  // MARK: The image

  /// The image that a build has come to.
  func draft(_ state: StageState, _ request: BuildRequest, _ build: BuildRun) throws -> DraftImage {
    var config = state.config
    config.created = build.time.text
    config.config?.env = state.scope.environment.environment
    if !request.labels.isEmpty {
      var execution = config.config ?? .init()
      execution.labels = (execution.labels ?? [:]).merging(request.labels) { $1 }
      config.config = execution
    }
    return try DraftImage(config, layers: state.layers)
  }

  private func finished(_ draft: DraftImage, _ build: BuildRun, id: String) -> JournalEvent {
    .buildFinished(
      id, image: draft.record.manifestDigest, reference: build.request.references.first?.description,
      cached: build.steps.count { $0.isCached }, steps: build.steps.count)
  }

  private func keep(
    _ draft: DraftImage, _ request: BuildRequest, _ build: BuildRun, _ addition: Addition, id: String
  ) async throws -> ImageSummary {
    try put(draft)
    let image = draft.record
    let names = request.references.map(\.description)
    let event = finished(draft, build, id: id)
    if try metadata.image(image.manifestDigest) != nil,
      try Set(names).isSubset(of: metadata.tags(of: image.manifestDigest).map(\.reference))
    {
      try await metadata.append(event)
      return try summary(image)
    }
    let sizes = try await makeDurable([image], addition)
    try await metadata.recordImages(
      [NamedImage(image: image, references: names, events: [event])], sizes: sizes, at: Timestamp.now)
    return try summary(image)
  }

  /// Of an image that is not kept.
  private func forget(_ draft: DraftImage, _ build: BuildRun, id: String) async throws -> ImageSummary {
    try await metadata.append(finished(draft, build, id: id))
    let image = draft.record
    return ImageSummary(
      digest: image.manifestDigest, references: [], platform: image.platform, created: image.created,
      size: image.size, layerCount: image.layers.count, totalBytes: 0, uniqueBytes: 0)
  }
}

/// Does what takes time and waits for nothing, away from the threads that answer others.
///
/// - Throws: `cancelled` where the task is cancelled, whatever came of it.
private func onThreadUntilCancelled<Result: Sendable>(
  _ name: String, _ body: @escaping @Sendable (_ isCancelled: @escaping @Sendable () -> Bool) throws -> Result
) async throws -> Result {
  let result = try await untilCancelled { isCancelled in
    try await onBlockingThread(name) { try body(isCancelled) }
  }
  try Task.checkCancellation()
  return result
}

extension BuildInputs.PlatformName {
  init(_ platform: Platform) {
    self.init(os: platform.os, architecture: platform.architecture, variant: platform.variant)
  }
}
