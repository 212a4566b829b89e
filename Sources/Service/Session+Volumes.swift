import Engine
import EngineErrors
import RPCModel

extension Session {
  func volumeCreate(_ params: VolumeCreate.Params, _ context: RequestContext) async throws
    -> VolumeCreate.Result
  {
    VolumeCreate.Result(
      volume: .init(
        try await engine.createVolume(
          params.name, labels: params.labels ?? [:], lifetime: params.lifetime.map { .init($0) })))
  }

  func volumeList(_ params: VolumeList.Params, _ context: RequestContext) async throws -> VolumeList.Result {
    VolumeList.Result(volumes: try engine.listVolumes(labels: params.labels ?? []).map { .init($0) })
  }

  func volumeInspect(_ params: VolumeInspect.Params, _ context: RequestContext) async throws
    -> VolumeInspect.Result
  {
    let (volume, bytes) = try await engine.inspectVolume(params.volume)
    return VolumeInspect.Result(volume: .init(volume), bytes: Int(bytes))
  }

  func volumeRemove(_ params: VolumeRemove.Params, _ context: RequestContext) async throws
    -> VolumeRemove.Result
  {
    try await engine.removeVolume(params.volume)
    return VolumeRemove.Result()
  }

  func volumeExport(_ params: VolumeExport.Params, _ context: RequestContext) async throws
    -> VolumeExport.Result
  {
    let reporter = context.reporter(params.workDoneToken)
    let bytes = try await writing(params.path, params.stream, params.initialCredit, context) {
      [engine] output in
      try await engine.exportVolume(params.volume, to: output, reporter: reporter)
    }
    return VolumeExport.Result(bytes: Int(bytes))
  }

  func volumeImport(_ params: VolumeImport.Params, _ context: RequestContext) async throws
    -> VolumeImport.Result
  {
    let reporter = context.reporter(params.workDoneToken)
    let imported = try await reading(params.path, params.stream) { [engine] source in
      try await engine.importVolume(
        params.name, from: source, labels: params.labels ?? [:], lifetime: params.lifetime.map { .init($0) },
        reporter: reporter)
    }
    return VolumeImport.Result(
      volume: .init(imported.volume), entries: imported.entries,
      warnings: imported.warnings.isEmpty ? nil : imported.warnings)
  }
}
