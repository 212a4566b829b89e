import Engine
import EngineErrors
import RPCModel

extension Session {
  func systemDiskUsage(_ params: SystemDiskUsage.Params, _ context: RequestContext) async throws
    -> SystemDiskUsage.Result
  {
    let usage = try await engine.diskUsage()
    return SystemDiskUsage.Result(
      totalBytes: Int(usage.totalBytes),
      images: ImagesUsage(
        uniqueBytes: Int(usage.uniqueBytes), sharedBytes: Int(usage.sharedBytes),
        reclaimableBytes: Int(usage.reclaimableImageBytes), images: usage.images.map { .init($0) }),
      containers: ContainersUsage(
        bytes: Int(usage.containerBytes), reclaimableBytes: Int(usage.reclaimableContainerBytes),
        containers: usage.containers.map { .init($0) }),
      volumes: VolumesUsage(
        bytes: Int(usage.volumeBytes), reclaimableBytes: Int(usage.reclaimableVolumeBytes),
        volumes: usage.volumes.map { .init($0) }),
      leftoverBytes: Int(usage.leftoverBytes), overheadBytes: Int(usage.overheadBytes))
  }

  func systemPrune(_ params: SystemPrune.Params, _ context: RequestContext) async throws -> SystemPrune.Result
  {
    var scope = PruneScope()
    if let kinds = params.kinds { scope.kinds = Set(try kinds.map { try Engine.PruneKind(wire: $0) }) }
    scope.includesNamedImages = params.namedImages ?? false
    scope.includesNamedVolumes = params.namedVolumes ?? false
    scope.unusedFor = Int64(params.unusedForMs ?? 0) * 1_000_000
    scope.keepsBuildBytes = params.keepBuildCacheBytes.map { Int64($0) }
    let plan =
      if let ids = params.apply { try await engine.prune(scope, apply: ids) } else {
        try await engine.prunePlan(scope)
      }
    return SystemPrune.Result(
      items: plan.items.map { .init($0) }, bytes: Int(plan.bytes), incomplete: plan.incomplete)
  }
}
