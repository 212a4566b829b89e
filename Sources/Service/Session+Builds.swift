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
    let (built, warnings) = try await LayerWarnings.collect { () async throws -> BuildResult in
      try await withContext(description) { [self] source -> BuildResult in
        var request = try BuildRequest(description, context: source) { try absolute($0) }
        request.references = references
        return try await engine.build(request, reporter: reporter) { bytes in
          _ = try await sender?.send(bytes)
        }
      }
    }
    await sender?.close()
    return BuildStart.Result(
      image: .init(built.image), steps: built.steps.map { BuildStep($0) },
      warnings: built.warnings.isEmpty ? nil : built.warnings.map { BuildWarning($0) },
      layerWarnings: warnings.wire)
  }

  func buildExplain(_ params: BuildExplain.Params, _ context: RequestContext) async throws
    -> BuildExplain.Result
  {
    let description = params.buildDescription
    let explained = try await withContext(description) { [self] source -> BuildExplanation in
      try await engine.explainBuild(BuildRequest(description, context: source) { try absolute($0) })
    }
    return BuildExplain.Result(
      steps: explained.steps.map { BuildStep($0) },
      warnings: explained.warnings.isEmpty ? nil : explained.warnings.map { BuildWarning($0) })
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
      }, bytes: entries.reduce(0) { $0 + ($1.ignoredBy == nil ? Int($1.size) : 0) })
  }

  private func withContext<Result: Sendable>(
    _ description: BuildDescription, _ body: @escaping @Sendable (ArchiveSource?) async throws -> Result
  ) async throws -> Result {
    guard let stream = description.contextStream else { return try await body(nil) }
    guard description.context == nil else {
      throw EngineError(.invalidArgument, "a build has one context: a path or a stream")
    }
    return try await reading(nil, stream) { try await body($0) }
  }
}
