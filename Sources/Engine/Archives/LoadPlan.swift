import ContentStore
import EngineErrors
import Foundation
import Layers
import OCIModel
import Registry

/// An image of an archive: its documents are read and all its blobs are in the store.
struct PlannedImage: Sendable {
  /// Of the manifest.
  var digest: Digest
  var manifestBytes: [UInt8]
  var manifest: Manifest
  var config: ImageConfig
  /// In full form; empty for one without a name.
  var references: [Reference]
}

/// Finds the images of an archive. Blocks.
struct LoadPlan {
  let content: ContentStore
  let intake: ArchiveIntake
  let platform: Platform

  /// How deep an index may lie in indexes.
  private static let indexDepth = 4
  /// Far more than anybody gives an image; each costs as much as the image has names by then.
  private static let nameLimit = 1000

  /// Each image once, with all of its names.
  ///
  /// - Throws: `corrupt` for an archive of something else, `notFound` for one without an image for the platform; `cancelled`
  ///   once the intake is.
  func images() throws -> [PlannedImage] {
    // An archive that has both means the same by both; the index keeps the manifests, and so the digests.
    if let bytes = try intake.document(ImageLayout.indexFile) { return try merged(layoutImages(bytes)) }
    if let bytes = try intake.document(DockerArchiveImage.listFile) { return try merged(dockerImages(bytes)) }
    throw EngineError(
      .corrupt, "the archive holds no images: it has neither index.json nor manifest.json",
      hint: "it must come from a save; a root file system is taken in by import")
  }

  private func document(_ stored: ArchiveIntake.Stored) throws -> [UInt8] {
    try content.read(stored.digest, limit: documentLimit)
  }

  private func merged(_ images: [PlannedImage]) throws -> [PlannedImage] {
    var merged: [PlannedImage] = []
    var places: [Digest: Int] = [:]
    for image in images {
      if let place = places[image.digest] {
        merged[place].references += image.references
      } else {
        places[image.digest] = merged.count
        merged.append(image)
      }
    }
    if let image = merged.first(where: { $0.references.count > Self.nameLimit }) {
      throw EngineError(
        .corrupt, "the archive gives the image \(image.digest.short) \(image.references.count) names",
        subject: "\(image.digest)", causes: ["at most \(Self.nameLimit) are taken"],
        hint: "the archive is broken or hostile")
    }
    return merged
  }

  // MARK: OCI image layouts

  private func layoutImages(_ bytes: [UInt8]) throws -> [PlannedImage] {
    guard case .index(let index) = try ManifestDocument(parsing: bytes) else {
      throw EngineError(.corrupt, "the archive's index.json is no index", hint: "the archive is broken")
    }
    // Several manifests of one name are one image for several platforms.
    var groups: [(name: Reference?, manifests: [Descriptor])] = []
    var places: [Reference: Int] = [:]
    for descriptor in index.manifests where !Self.isAttestation(descriptor) {
      let name = try ImageName.read(descriptor.annotations)
      if let name, let place = places[name] {
        groups[place].manifests.append(descriptor)
      } else {
        if let name { places[name] = groups.count }
        groups.append((name, [descriptor]))
      }
    }
    // Each name of an image has an entry of its own, and the image is read once.
    var known: [Descriptor: PlannedImage] = [:]
    return try groups.map { name, manifests in
      try intake.checkCancellation()
      var descriptor = manifests.count == 1 ? manifests[0] : try choose(Index(manifests: manifests))
      (descriptor.platform, descriptor.annotations) = (nil, nil)
      var image = try known[descriptor] ?? layoutImage(descriptor, depth: 0)
      known[descriptor] = image
      image.references = [name].compactMap(\.self)
      return image
    }
  }

  /// One image of a layout, by the tag or the digest that its index has, or its only one.
  ///
  /// - Throws: `notFound`; `invalidArgument` where it has several and none is asked for.
  func image(tag: String?, digest: Digest?) throws -> PlannedImage {
    guard let bytes = try intake.document(ImageLayout.indexFile),
      case .index(let index) = try ManifestDocument(parsing: bytes)
    else {
      throw EngineError(.notFound, "there is no OCI image layout", hint: "it is a directory with index.json")
    }
    let images = index.manifests.filter { !Self.isAttestation($0) }
    func tags(_ descriptor: Descriptor) -> [String] {
      let names = [ImageName.ociAnnotation, ImageName.containerdAnnotation].compactMap {
        descriptor.annotations?[$0]
      }
      return names.flatMap { [$0, (try? Reference(parsing: $0))?.tag].compactMap(\.self) }
    }
    var found = images
    if let tag { found = found.filter { tags($0).contains(tag) } }
    if let digest { found = found.filter { $0.digest == digest } }
    guard let first = found.first else {
      let wanted = digest?.description ?? tag ?? "image"
      throw EngineError(
        .notFound, "the layout has no \(wanted)", subject: wanted,
        hint: images.isEmpty ? nil : "it has \(Set(images.flatMap(tags)).sorted().joined(separator: ", "))")
    }
    if found.count == 1 { return try layoutImage(first, depth: 0) }
    guard tag != nil || digest != nil || Set(found.map { tags($0) }).count == 1 else {
      throw EngineError(
        .invalidArgument, "the layout has \(found.count) images",
        hint: "name one, with :TAG or @DIGEST behind")
    }
    return try layoutImage(try choose(Index(manifests: found)), depth: 0)
  }

  private func layoutImage(_ descriptor: Descriptor, depth: Int) throws -> PlannedImage {
    guard depth < Self.indexDepth else {
      throw EngineError(
        .corrupt, "the archive has an index in an index in an index", hint: "the archive is broken or hostile"
      )
    }
    let bytes = try document(try intake.blob(descriptor))
    switch try ManifestDocument(parsing: bytes, mediaType: descriptor.mediaType) {
    case .index(let index): return try layoutImage(try choose(index), depth: depth + 1)
    case .image(let manifest):
      let config = try ImageConfig(parsing: document(try intake.blob(manifest.config)))
      for layer in manifest.layers { _ = try intake.blob(layer) }
      return PlannedImage(
        digest: Digest(of: bytes), manifestBytes: bytes, manifest: manifest, config: config, references: [])
    }
  }

  private func choose(_ index: Index) throws -> Descriptor {
    try PlatformChoice.select(from: index, wanted: platform)
  }

  /// What builders add about an image; it is none.
  private static func isAttestation(_ descriptor: Descriptor) -> Bool { descriptor.platform?.os == "unknown" }

  // MARK: Docker archives

  private func dockerImages(_ bytes: [UInt8]) throws -> [PlannedImage] {
    let list = try decodeList(bytes)
    // Images of one archive share layers, and an image may be there under each of its names.
    var layers: [Digest: Descriptor] = [:]
    var configs: [Digest: ImageConfig] = [:]
    return try list.map { item in
      try intake.checkCancellation()
      let references = try item.repoTags.map { try ImageName.parse($0) }
      let stored = try intake.file(item.config)
      let config = try configs[stored.digest] ?? ImageConfig(parsing: document(stored))
      configs[stored.digest] = config
      guard item.layers.count == config.rootfs.diffIDs.count else {
        throw EngineError(
          .corrupt,
          "the archive lists \(item.layers.count) layers of an image whose configuration has \(config.rootfs.diffIDs.count)",
          hint: "the archive is broken; save it again")
      }
      let descriptors = try zip(item.layers, config.rootfs.diffIDs).map { name, diffID in
        if let known = layers[diffID] { return known }
        let descriptor = try layer(try intake.file(name), diffID)
        layers[diffID] = descriptor
        return descriptor
      }
      let manifest = Manifest(
        config: Descriptor(mediaType: MediaType.ociConfig, digest: stored.digest, size: stored.size),
        layers: descriptors)
      let bytes = try encode(manifest)
      _ = try intake.write { writer in try bytes.withUnsafeBytes { try writer.write($0) } }
      return PlannedImage(
        digest: Digest(of: bytes), manifestBytes: bytes, manifest: manifest, config: config,
        references: references)
    }
  }

  private func decodeList(_ bytes: [UInt8]) throws -> [DockerArchiveImage] {
    do {
      return try JSONDecoder().decode([DockerArchiveImage].self, from: Data(bytes))
    } catch {
      throw EngineError(
        .corrupt, "cannot read the archive's manifest.json", causes: ["\(error)"],
        hint: "the archive is broken or hostile")
    }
  }

  /// A layer as it is kept: one that is not compressed is compressed, as a registry will want it; the same layer always
  /// gives the same bytes.
  private func layer(_ stored: ArchiveIntake.Stored, _ diffID: Digest) throws -> Descriptor {
    let path = content.path(of: stored.digest)
    switch try Compression.detect(fileAt: path) {
    case .gzip: return Descriptor(mediaType: MediaType.ociLayerGzip, digest: stored.digest, size: stored.size)
    case .zstd: return Descriptor(mediaType: MediaType.ociLayerZstd, digest: stored.digest, size: stored.size)
    case .none:
      guard stored.digest == diffID else {
        throw EngineError(
          .digestMismatch, "the archive's layer \(diffID.short) is \(stored.digest.short)",
          subject: "\(diffID)", hint: "the archive is damaged; save it again", retriable: false)
      }
      let compressed = try intake.write { writer in
        let compressor = try LayerCompressor { try writer.write($0) }
        try readFile(path, { _ in }) {
          try intake.checkCancellation()
          try compressor.write($0)
        }
        try compressor.finish()
      }
      return Descriptor(mediaType: MediaType.ociLayerGzip, digest: compressed.digest, size: compressed.size)
    }
  }
}
