import OCIModel
import RPCModel

extension RequestOrder.Effects {
  /// What a request looks at and what it changes, from its parameters.
  init(_ request: ClientRequest) {
    self.init()
    switch request {
    case .imagePull(let params):
      observes = [.credentials]
      changes = [.image(params.reference)]
    case .imageSave(let params): observes = Set(params.images.map(RequestOrder.Subject.image))
    case .imageLoad: changes = [.allImages]
    case .imageImport(let params): changes = [.image(params.reference)]
    case .imageTag(let params):
      observes = [.image(params.image)]
      changes = [.image(params.reference)]
    case .imageRemove(let params): changes = [.image(params.image)]
    case .imagePush(let params): observes = [.image(params.image), .credentials]
    case .imagePushIndex(let params): observes = Set(params.images.map { .image($0) } + [.credentials])
    case .registryLogin, .registryLogout: changes = [.credentials]
    case .imageInspect(let params): observes = [.image(params.image)]
    case .imageHistory(let params): observes = [.image(params.image)]
    case .imageList: observes = [.allImages]
    case .imageVerify(let params): observes = [params.image.map { .image($0) } ?? .allImages]
    case .buildStart(let params):
      observes = [.allImages, .credentials]
      changes = Set((params.references ?? []).map { .image($0) })
    case .buildExplain, .buildVerify: observes = [.allImages, .credentials]
    case .containerCreate(let params):
      observes = Set([.image(params.image)] + (params.networks ?? []).map { .network($0.network) })
      changes = Set(
        [params.name].compactMap { $0.map(RequestOrder.Subject.container) } + Self.volumes(params.mounts))
    case .containerRun(let params):
      observes = Set([.image(params.image)] + (params.networks ?? []).map { .network($0.network) })
      changes = Set(
        [params.name].compactMap { $0.map(RequestOrder.Subject.container) } + Self.volumes(params.mounts))
    case .containerStart(let params): changes = [.container(params.container)]
    case .containerRestart(let params): changes = [.container(params.container)]
    case .containerPause(let params): changes = [.container(params.container)]
    case .containerUnpause(let params): changes = [.container(params.container)]
    case .containerUpdate(let params): changes = [.container(params.container)]
    case .containerPublish(let params): changes = [.container(params.container)]
    case .containerUnpublish(let params): changes = [.container(params.container)]
    case .containerRename(let params): changes = [.container(params.container), .container(params.name)]
    case .containerCopyTo(let params): changes = [.container(params.container)]
    // Its volumes have one use less.
    case .containerRemove(let params): changes = [.container(params.container), .allVolumes]
    case .volumeCreate(let params): changes = Set([params.name].compactMap { $0.map { .volume($0) } })
    case .volumeImport(let params): changes = Set([params.name].compactMap { $0.map { .volume($0) } })
    case .volumeRemove(let params): changes = [.volume(params.volume)]
    case .volumeInspect(let params): observes = [.volume(params.volume)]
    case .volumeExport(let params): observes = [.volume(params.volume)]
    case .volumeList: observes = [.allVolumes]
    case .containerCommit(let params):
      observes = [.container(params.container)]
      changes = [.image(params.reference)]
    case .containerStop(let params): observes = [.container(params.container)]
    case .containerKill(let params): observes = [.container(params.container)]
    case .containerWait(let params): observes = [.container(params.container)]
    case .containerInspect(let params): observes = [.container(params.container)]
    case .containerLogs(let params): observes = [.container(params.container)]
    case .containerAttach(let params): observes = [.container(params.container)]
    case .containerExec(let params): observes = [.container(params.container)]
    case .containerDiff(let params): observes = [.container(params.container)]
    case .containerTop(let params): observes = [.container(params.container)]
    case .containerResize(let params):
      observes = Set([params.container].compactMap { $0.map { .container($0) } })
    case .containerStats(let params):
      observes = params.containers.map { Set($0.map { .container($0) }) } ?? [.allContainers]
    case .containerListFiles(let params): observes = [.container(params.container)]
    case .containerCopyFrom(let params): observes = [.container(params.container)]
    case .containerExport(let params): observes = [.container(params.container)]
    case .systemDiskUsage: observes = [.allImages, .allContainers, .allVolumes]
    case .systemPrune(let params):
      let all: Set<RequestOrder.Subject> = [.allImages, .allContainers, .allVolumes, .allNetworks]
      // A plan removes nothing.
      if params.apply != nil { changes = all } else { observes = all }
    case .containerList: observes = [.allContainers]
    case .networkCreate(let params): changes = [.network(params.name)]
    case .networkRemove(let params): changes = [.network(params.network)]
    case .networkConnect(let params): changes = [.network(params.network), .container(params.container)]
    case .networkDisconnect(let params): changes = [.network(params.network), .container(params.container)]
    case .networkInspect(let params): observes = [.network(params.network), .allContainers]
    case .networkList: observes = [.allNetworks, .allContainers]
    case .buildCacheList, .contextList, .containerDetach, .initialize, .shutdown, .rpcDiscover, .systemPing,
      .systemInfo,
      .eventSubscribe,
      .eventUnsubscribe:
      break
    }
  }

  /// Those that a new container names, and makes where they are missing.
  private static func volumes(_ mounts: [Mount]?) -> [RequestOrder.Subject] {
    (mounts ?? []).compactMap { $0.kind == .volume ? $0.source.map { .volume($0) } : nil }
  }
}
