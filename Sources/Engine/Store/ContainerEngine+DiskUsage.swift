import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import SystemPackage

extension ContainerEngine {
  /// Measures the store. What others change meanwhile is counted as it is found.
  ///
  /// - Throws: `permissionDenied`; cancellation stops it at the next directory.
  package func diskUsage() async throws -> StoreUsage {
    // What was removed before is not to count.
    await reclaimed()
    // Those that have ended count as such.
    let containers = try await settledContainers()
    let uses = try metadata.itemUses()
    let volumes = try metadata.volumes()
    let measured = try await untilCancelled { isCancelled in
      try await onBlockingThread("disk usage") { [self] in
        try StoreMeasure(self, uses, containers, volumes, isCancelled)
      }
    }
    // Lists are to tell the same; whoever comes too late to be taken down is by the next measure.
    try? await metadata.recordSizes(measured.items)

    let users = Dictionary(grouping: containers, by: \.imageDigest)
    var images = try metadata.imageSummaries()
    for index in images.indices {
      (images[index].totalBytes, images[index].uniqueBytes) = measured.images[images[index].digest] ?? (0, 0)
    }
    let unused = Set(images.map(\.digest)).subtracting(users.keys)
    return StoreUsage(
      images: images.map { ImageUsage(image: $0, containers: users[$0.digest]?.count ?? 0) },
      sharedBytes: measured.sharedBytes,
      reclaimableImageBytes: uses.bytesNeededOnly(by: unused, measured.items),
      containers: containers.map { ContainerUsage(record: $0, bytes: measured.containers[$0.id] ?? 0) },
      volumes: volumes.map {
        VolumeUsage(
          name: $0.record.name, bytes: measured.volumes[$0.record.name] ?? 0, containers: $0.containers.count)
      },
      leftoverBytes: measured.leftoverBytes, overheadBytes: measured.overheadBytes)
  }

  func settledContainers() async throws -> [ContainerRecord] {
    var containers: [ContainerRecord] = []
    for record in try metadata.containers() {
      if let record = try await settled(record) { containers.append(record) }
    }
    return containers
  }
}

/// One measure of the whole store. Blocks while it is made.
private struct StoreMeasure: Sendable {
  var items: [StoreItem: Int64] = [:]
  var images: [Digest: (total: Int64, unique: Int64)] = [:]
  var sharedBytes: Int64 = 0
  var containers: [String: Int64] = [:]
  var volumes: [String: Int64] = [:]
  var leftoverBytes: Int64
  var overheadBytes: Int64

  init(
    _ engine: ContainerEngine, _ uses: [StoreItemUse], _ records: [ContainerRecord],
    _ usedVolumes: [UsedVolume], _ isCancelled: () -> Bool
  ) throws {
    var parts: Set<FilePath> = []
    func measure(_ path: FilePath) throws -> Int64 {
      parts.insert(path)
      return try diskUsage(of: path, isCancelled: isCancelled)
    }
    for use in uses {
      let bytes = try measure(engine.path(of: use.item))
      items[use.item] = bytes
      if use.images.count > 1 { sharedBytes += bytes }
      for image in use.images {
        images[image, default: (0, 0)].total += bytes
        if use.images.count == 1 { images[image, default: (0, 0)].unique += bytes }
      }
    }
    for record in records {
      containers[record.id] = try measure(engine.snapshots.containerDirectory(record.id))
    }
    for volume in usedVolumes {
      volumes[volume.record.name] = try measure(engine.snapshots.volumeData(volume.record.name))
    }
    leftoverBytes = 0
    for leftover in try engine.leftovers(records) { leftoverBytes += try measure(leftover.path) }
    // What builds keep, so far as no image needs it.
    let kept = try engine.metadata.buildSteps().reduce(into: Set<StoreItem>()) { items, step in
      guard let layer = step.layer else { return }
      items.formUnion([StoreItem(.blob, layer.descriptor.digest), StoreItem(.layer, layer.key)])
    }
    for item in kept.subtracting(uses.map(\.item)) { leftoverBytes += try measure(engine.path(of: item)) }
    for mount in try engine.listCacheMounts() { leftoverBytes += try measure(mount.path) }
    overheadBytes = try diskUsage(
      of: engine.configuration.storeDirectory, except: parts, isCancelled: isCancelled)
  }
}

extension [StoreItemUse] {
  /// What goes with these images when they all go.
  func bytesNeededOnly(by images: Set<Digest>, _ sizes: [StoreItem: Int64]) -> Int64 {
    reduce(0) { sum, use in
      use.images.allSatisfy(images.contains) ? sum + (sizes[use.item] ?? use.bytes ?? 0) : sum
    }
  }
}
