import Engine
import EngineErrors
import OCIModel
import RPCModel

extension Session {
  func buildStart(_ params: BuildStart.Params, _ context: RequestContext) async throws -> BuildStart.Result {
    let references = try (params.references ?? []).map { try Reference(parsing: $0) }
    let sender = try params.output.map {
      try self.sender($0, params.initialCredit ?? OutputSenders.defaultCredit, context)
    }
    let description = params.buildDescription
    let reporter = context.reporter(params.workDoneToken)
    let outputs = params.outputs ?? []
    let debug = Engine.BuildDebug(params.debug)
    let cache = try Engine.BuildCacheTarget(params.cacheTo)
    let (built, warnings) = try await LayerWarnings.collect { () async throws -> BuildResult in
      try await withContext(description) { [self] source -> BuildResult in
        try await withOutputs(outputs[...], context) { [self] outputs -> BuildResult in
          var request = try BuildRequest(description, context: source) { try absolute($0) }
          request.references = references
          request.outputs = outputs
          request.debug = debug
          request.cacheTarget = cache
          return try await engine.build(request, reporter: reporter) { bytes in
            _ = try await sender?.send(bytes)
          }
        }
      }
    }
    await sender?.close()
    return BuildStart.Result(
      image: .init(built.image), steps: built.steps.map { BuildStep($0) },
      warnings: built.warnings.isEmpty ? nil : built.warnings.map { BuildWarning($0) },
      layerWarnings: warnings.wire,
      outputs: outputs.isEmpty
        ? nil : zip(outputs, built.written).map { BuildOutputResult(type: $0.type, bytes: Int($1)) },
      cacheTo: built.cacheExport.map { .init($0) },
      requestWarnings: built.requestWarnings.isEmpty ? nil : built.requestWarnings,
      cacheWarnings: built.cacheWarnings.isEmpty ? nil : built.cacheWarnings,
      networkWarning: built.networkWarning)
  }

  /// Runs `body` with where the outputs go that a request asks for.
  private func withOutputs<Result: Sendable>(
    _ wire: ArraySlice<RPCModel.BuildOutput>, _ context: RequestContext,
    after opened: [Engine.BuildOutput] = [],
    _ body: @escaping @Sendable ([Engine.BuildOutput]) async throws -> Result
  ) async throws -> Result {
    guard let next = wire.first else { return try await body(opened) }
    let (kind, rest) = (Engine.BuildOutput.Kind(next.type), wire.dropFirst())
    let isDirectory = kind == .local || (kind == .oci && next.directory == true)
    if kind == .image || (isDirectory && next.stream == nil) || (next.path == nil && next.stream == nil) {
      let place = try next.path.map { SaveOutput.directory(try absolute($0)) }
      return try await withOutputs(
        rest, context, after: opened + [try Engine.BuildOutput(kind, place)], body)
    }
    return try await writing(next.path, next.stream, next.initialCredit, context) { [self] archive in
      let output = try Engine.BuildOutput(kind, .archive(archive))
      return try await withOutputs(rest, context, after: opened + [output], body)
    }
  }

  func buildVerify(_ params: BuildVerify.Params, _ context: RequestContext) async throws -> BuildVerify.Result
  {
    let sender = try params.output.map {
      try self.sender($0, params.initialCredit ?? OutputSenders.defaultCredit, context)
    }
    let description = params.buildDescription
    let reporter = context.reporter(params.workDoneToken)
    let verified = try await withContext(description) { [self] source -> BuildVerification in
      let request = try BuildRequest(description, context: source) { try absolute($0) }
      return try await engine.verifyBuild(request, against: params.image, reporter: reporter) { bytes in
        _ = try await sender?.send(bytes)
      }
    }
    await sender?.close()
    return BuildVerify.Result(
      identical: verified.image == verified.rebuilt, image: verified.image.description,
      rebuilt: verified.rebuilt.description,
      settings: verified.settings.isEmpty
        ? nil : verified.settings.map { BuildSettingDifference(name: $0.name, was: $0.was, now: $0.now) },
      files: verified.files.isEmpty
        ? nil : verified.files.prefix(Self.mostFiles).map { BuildFileDifference($0) },
      fileCount: verified.files.count, steps: verified.steps.map { BuildStep($0) })
  }

  private static let mostFiles = 10_000

  func buildExplain(_ params: BuildExplain.Params, _ context: RequestContext) async throws
    -> BuildExplain.Result
  {
    let description = params.buildDescription
    let explained = try await withContext(description) { [self] source -> BuildExplanation in
      try await engine.explainBuild(BuildRequest(description, context: source) { try absolute($0) })
    }
    return BuildExplain.Result(
      steps: explained.steps.map { BuildStep($0) },
      warnings: explained.warnings.isEmpty ? nil : explained.warnings.map { BuildWarning($0) },
      requestWarnings: explained.requestWarnings.isEmpty ? nil : explained.requestWarnings,
      cacheWarnings: explained.cacheWarnings.isEmpty ? nil : explained.cacheWarnings)
  }

  func buildCacheList(_ params: BuildCacheList.Params, _ context: RequestContext) async throws
    -> BuildCacheList.Result
  {
    BuildCacheList.Result(entries: try engine.metadata.buildSteps().map { .init($0) })
  }

  func contextList(_ params: ContextList.Params, _ context: RequestContext) async throws -> ContextList.Result
  {
    let entries = try await engine.listContext(absolute(params.path), dockerfile: params.file)
    return ContextList.Result(
      entries: entries.map {
        RPCModel.ContextEntry(
          path: $0.path, directory: $0.isDirectory, size: Int($0.size), ignoredBy: $0.ignoredBy)
      },
      bytes: entries.reduce(0) { sum, entry in
        // Sparse files may claim more than there is.
        let (bytes, isOver) = sum.addingReportingOverflow(entry.ignoredBy == nil ? Int(entry.size) : 0)
        return isOver ? Int.max : bytes
      })
  }

  private func withContext<Result: Sendable>(
    _ description: BuildDescription, _ body: @escaping @Sendable (ArchiveSource?) async throws -> Result
  ) async throws -> Result {
    guard let stream = description.contextStream else { return try await body(nil) }
    guard description.context == nil else {
      throw EngineError(
        .invalidArgument, "a build has one context: a path or a stream", subject: "context",
        hint: "give context or contextStream")
    }
    return try await reading(nil, stream) { try await body($0) }
  }
}

extension Engine.BuildOutput.Kind {
  init(_ wire: BuildOutputType) {
    switch wire {
    case .image: self = .image
    case .oci: self = .oci
    case .docker: self = .docker
    case .tar: self = .tar
    case .local: self = .local
    }
  }
}
