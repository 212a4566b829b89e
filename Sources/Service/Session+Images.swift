import Engine
import EngineErrors
import OCIModel
import RPCModel

extension Session {
  func imagePull(_ params: ImagePull.Params, _ context: RequestContext) async throws -> ImagePull.Result {
    let (pulled, layerWarnings) = try await LayerWarnings.collect {
      try await engine.pull(
        Reference(parsing: params.reference), platform: try params.platform.map { try Platform(parsing: $0) },
        concurrentLayers: params.concurrentLayers, reporter: context.reporter(params.workDoneToken))
    }
    return ImagePull.Result(
      image: .init(pulled.image), reference: pulled.reference.description,
      fetchedBytes: Int(pulled.fetchedBytes),
      layers: pulled.layers.map { layer in
        PulledLayer(
          digest: layer.layer.descriptor.digest.description, diffId: layer.layer.diffID.description,
          size: Int(layer.layer.descriptor.size), outcome: .init(layer.outcome),
          resumedBytes: layer.resumed > 0 ? Int(layer.resumed) : nil)
      }, warnings: pulled.notices.wireWarnings, layerWarnings: layerWarnings.wire,
      rateLimit: pulled.notices.rateLimit.map { .init($0) })
  }

  func imagePush(_ params: ImagePush.Params, _ context: RequestContext) async throws -> ImagePush.Result {
    let pushed = try await engine.push(
      params.image, to: params.destination,
      compressing: params.compression.map { $0 == .gzip ? .gzip : .zstd },
      reporter: context.reporter(params.workDoneToken))
    return ImagePush.Result(
      reference: pushed.reference.description, digest: pushed.digest.description,
      layers: pushed.blobs.map {
        PushedLayer(
          digest: $0.descriptor.digest.description, size: Int($0.descriptor.size),
          outcome: .init($0.outcome))
      }, warnings: pushed.notices.wireWarnings, rateLimit: pushed.notices.rateLimit.map { .init($0) })
  }

  func imagePushIndex(_ params: ImagePushIndex.Params, _ context: RequestContext) async throws
    -> ImagePushIndex.Result
  {
    let pushed = try await engine.pushIndex(
      of: params.images, to: params.destination, reporter: context.reporter(params.workDoneToken))
    return ImagePushIndex.Result(
      reference: pushed.reference.description, digest: pushed.digest.description,
      warnings: pushed.notices.wireWarnings, rateLimit: pushed.notices.rateLimit.map { .init($0) })
  }

  func imageVerify(_ params: ImageVerify.Params, _ context: RequestContext) async throws -> ImageVerify.Result
  {
    let found = try await engine.verify(params.image, reporter: context.reporter(params.workDoneToken))
    return ImageVerify.Result(
      images: found.images, blobs: found.blobs, layers: found.layers, bytes: Int(found.bytes),
      problems: found.problems.map {
        RPCModel.StoreProblem(
          kind: StoreProblemKind(rawValue: $0.kind.rawValue), digest: $0.digest.description,
          detail: $0.detail,
          images: $0.images, repaired: $0.isRepaired || $0.isForgotten, forgotten: $0.isForgotten)
      })
  }

  func imageImport(_ params: ImageImport.Params, _ context: RequestContext) async throws -> ImageImport.Result
  {
    let (image, warnings) = try await LayerWarnings.collect {
      try await reading(params.path, params.stream) { [self] source in
        try await engine.importImage(
          from: source, as: Reference(parsing: params.reference), message: params.message,
          changes: Engine.ImageChanges(params.changes), platform: try platform(params.platform),
          reporter: context.reporter(params.workDoneToken))
      }
    }
    return ImageImport.Result(image: .init(image), layerWarnings: warnings.wire)
  }

  func imageList(_ params: ImageList.Params, _ context: RequestContext) async throws -> ImageList.Result {
    ImageList.Result(images: try engine.listImages().map { .init($0) })
  }

  func imageInspect(_ params: ImageInspect.Params, _ context: RequestContext) async throws
    -> ImageInspect.Result
  {
    let details = try engine.inspectImage(params.image)
    return ImageInspect.Result(
      image: .init(details.summary), configDigest: details.configDigest.description,
      mediaType: details.mediaType,
      layers: details.layers.map { .init($0) }, config: .init(details.config.config ?? .init()))
  }

  func imageHistory(_ params: ImageHistory.Params, _ context: RequestContext) async throws
    -> ImageHistory.Result
  {
    ImageHistory.Result(
      entries: try engine.history(params.image).map { entry in
        HistoryEntry(
          createdBy: entry.entry.createdBy, createdAt: entry.entry.created, comment: entry.entry.comment,
          layer: entry.layer.map { .init($0) },
          sharedWith: entry.sharers.isEmpty ? nil : entry.sharers)
      })
  }

  func imageTag(_ params: ImageTag.Params, _ context: RequestContext) async throws -> ImageTag.Result {
    ImageTag.Result(image: .init(try await engine.tag(params.image, as: params.reference)))
  }

  func imageRemove(_ params: ImageRemove.Params, _ context: RequestContext) async throws -> ImageRemove.Result
  {
    let removal = try await engine.removeImage(params.image, force: params.force ?? false)
    return ImageRemove.Result(untagged: removal.untagged, deleted: removal.deleted.map(\.description))
  }

  func platform(_ text: String?) throws -> Platform {
    try text.map { try Platform(parsing: $0) } ?? .host
  }
}
