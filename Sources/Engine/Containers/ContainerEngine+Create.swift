import EngineErrors
import Foundation
import LinuxSystem
import Metadata
import OCIModel
import Runner
import Snapshots
import SystemPackage

extension ContainerEngine {
  /// Makes a container from an image: its configuration and a fresh writable layer; nothing runs yet.
  ///
  /// - Throws: `notFound` for the image, `alreadyExists` for the name, `invalidArgument` for an option that
  ///   does not fit. What was begun is undone.
  package func create(_ options: ContainerOptions) async throws -> ContainerSummary {
    let draft = try await draft(options)
    defer { draft.lock.release() }
    let record: ContainerRecord
    do { record = try await self.record(draft) } catch {
      await discard(draft)
      throw error
    }
    // Its name is known from now on, as its addresses are its own.
    await tellNames(of: draft.connections.map(\.network.id))
    return try summary(record)
  }

  /// A container with its directory and its configuration that the database does not know yet, and so nobody else.
  ///
  /// Whoever drafts one records or discards it, and releases its lock.
  struct DraftContainer {
    /// Without the options, which may change yet, and without a name where the caller gave none.
    var record: ContainerRecord
    /// With what the image and the engine have added.
    var options: ContainerOptions
    var spec: RuntimeSpec
    var root: OverlayRoot
    /// What it is to be connected to.
    var connections: [(network: NetworkRecord, request: EndpointRequest)]
    /// So that no service collects what the container is about to use.
    var content: FileLock
    /// Nobody removes them until its row says that it uses them.
    var volumes: [HeldVolume]
    /// Its state lock.
    var lock: FileLock
  }

  func draft(_ options: ContainerOptions) async throws -> DraftContainer {
    var options = options
    options.limits = options.limits?.withoutZeros
    if let name = options.name { try ContainerName.validate(name) }
    if options.autoRemove, options.restart?.rule != nil {
      throw EngineError(
        .invalidArgument, "a container that goes when it exits does not start again", subject: "restart",
        hint: "let it stay, or leave out the restart policy")
    }
    if options.isPrivileged != true, options.devices?.contains(where: \.isLimited) ?? false,
      configuration.isRootless || !runner.groups.hasDeviceRules
    {
      throw EngineError(
        .unsupported, "cannot limit what may be done with a device: no control group here can say it",
        subject: "devices",
        hint:
          "give it r and w, or start the service as root of a machine whose groups have the devices controller"
      )
    }
    let connections = try await requests(options)
    let content = try await locks.holdContent()
    do {
      let image = try image(named: options.image)
      let id = ContainerName.newIdentifier()
      let directory = try snapshots.prepareContainer(id)
      do {
        let lock = try await locks.holdContainer(id)
        let root = root(id, of: image)
        let config = try recentConfig(of: image)
        let plan = try VolumePlan(options, image: config.config ?? .init())
        if !plan.entries.isEmpty { options.volumes = plan.volumes }
        var spec = try RuntimeSpec.container(
          id: id, image: config, options: options,
          volumes: plan.mounts(hasUsers: options.userNamespace == .auto) { snapshots.volumeData($0) },
          directory: directory, lowers: root.lowers, configuration: configuration)
        if options.userNamespace == .auto { try await giveUsers(to: &spec, of: id) }
        try writeBoundFiles(spec, options, into: directory)
        options.ports = try ports(options, config)
        if options.network == .bridge {
          try await writeOwnNames(options, spec, connections.map(\.network), into: directory)
        }
        options.resolvedCommand = spec.process?.args ?? []
        options.resolvedHealth = HealthPlan(asked: options.health, image: config.config?.healthcheck)
        options.stopSignal = options.stopSignal ?? config.config?.stopSignal
        options.stopTimeoutMilliseconds =
          options.stopTimeoutMilliseconds
          ?? config.config?.stopTimeout.map { $0 < 86_400 ? max(0, $0) * 1000 : 86_400_000 }
        // In messages about one that has no name yet, its id stands for it.
        var record = ContainerRecord(
          id: id, name: options.name ?? id, imageDigest: image.manifestDigest, imageName: options.image,
          createdAt: Timestamp.now, options: "")
        if options.resolvedHealth != nil { record.health = .starting }
        if options.lifetime == .session { record.session = try ownSession() }
        return DraftContainer(
          record: record, options: options, spec: spec, root: root, connections: connections,
          content: content,
          volumes: plan.entries.isEmpty ? [] : try await hold(plan, lowers: root.lowers), lock: lock)
      } catch {
        try? snapshots.removeContainer(id)
        throw EngineError("create a container of \(options.image)", wrapping: error)
      }
    } catch {
      content.release()
      throw error
    }
  }

  /// Makes a draft a container that all services see.
  ///
  /// - Returns: its record, with the name that it got.
  func record(_ draft: DraftContainer) async throws -> ContainerRecord {
    var record = draft.record
    do {
      try writeNewFile(
        snapshots.containerDirectory(record.id).appending("config.json"), draft.spec.encoded())
      Failpoint.containerConfigured.pass()
      record.options = String(decoding: try encode(draft.options), as: UTF8.self)
      if draft.options.name == nil { record.name = try freeName() }
      // Another container may take a free name first.
      while try await !insert(record, draft) { record.name = try freeName() }
      Failpoint.containerRecorded.pass()
      for volume in draft.volumes { volume.lock.release() }
      draft.content.release()
      return record
    } catch {
      throw EngineError("create a container of \(record.imageName)", wrapping: error)
    }
  }

  /// - Returns: false where its name is taken and nobody asked for that one.
  private func insert(_ record: ContainerRecord, _ draft: DraftContainer) async throws -> Bool {
    do {
      try await metadata.insertContainer(
        record, volumes: Set(draft.volumes.map(\.name)), connecting: draft.connections.map(\.request),
        choosing: Self.addressChoice,
        events: [.containerCreated(record.id, name: record.name, image: record.imageName)]
          + draft.connections.map {
            .networkConnected($0.network.id, name: $0.network.name, container: record)
          })
      return true
    } catch {
      if error.kind == .alreadyExists, draft.options.name == nil { return false }
      throw error
    }
  }

  /// Leaves nothing of a draft that was not recorded.
  func discard(_ draft: DraftContainer) async {
    try? snapshots.removeContainer(draft.record.id)
    if !draft.volumes.isEmpty { await discard(draft.volumes) }
    draft.content.release()
  }

  func writeBoundFiles(
    _ spec: RuntimeSpec, _ options: ContainerOptions, into directory: FilePath
  ) throws {
    for file in BoundFile.allCases {
      let content = file.content(spec, options) {
        try? String(contentsOfFile: $0, encoding: .utf8)
      }
      try writeNewFile(directory.appending(file.rawValue), Array(content.utf8))
    }
  }

  /// Many containers of one image are made in a row, and its configuration never changes.
  private func recentConfig(of image: ImageRecord) throws -> ImageConfig {
    if let known = decodedConfig.withLock({ $0?.digest == image.configDigest ? $0?.config : nil }) {
      return known
    }
    let config = try config(of: image)
    decodedConfig.withLock { $0 = (image.configDigest, config) }
    return config
  }

  private func freeName() throws -> String {
    try ContainerName.generate { try metadata.isContainer(named: $0) }
  }

  /// The root file system of a container: its image's layers, and its own writable one on top.
  func root(of record: ContainerRecord) throws -> OverlayRoot {
    guard let image = try metadata.image(record.imageDigest) else {
      throw EngineError(
        .corrupt, "the image of container \(record.name) is gone", subject: "\(record.imageDigest)",
        hint: "pull \(record.imageName) again")
    }
    return root(record.id, of: image)
  }

  private func root(_ id: String, of image: ImageRecord) -> OverlayRoot {
    let directory = snapshots.containerDirectory(id)
    return OverlayRoot(
      lowers: lowers(of: image), upper: directory.appending("upper"), work: directory.appending("work"))
  }

  /// The uppermost first, each once: overlayfs refuses one that is there twice, and the upper of the two shows all that
  /// the lower one has.
  func lowers(of image: ImageRecord) -> [FilePath] {
    var seen: Set<Digest> = []
    return image.layers.reversed().filter { seen.insert($0.key).inserted }.map {
      snapshots.layerDirectory($0.key)
    }
  }
}
