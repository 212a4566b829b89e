import ContentStore
import EngineErrors
import Foundation
import Layers
import LinuxSystem
import Metadata
import OCIModel
import SystemPackage

/// Images as one OCI image layout (OCI image specification, "Image Layout"), with the list besides by which Docker's own
/// load, and podman's, find them.
///
/// The same images give the same bytes, in whatever order they were named.
struct ImageLayout: Sendable {
  /// The documents in front of the blobs, by their paths.
  let documents: [(path: String, bytes: [UInt8])]
  /// Each once: the manifests, the configurations, the layers.
  let blobs: [Descriptor]
  /// Blobs that the store does not have.
  private let unstored: [Digest: [UInt8]]

  /// - Parameters:
  ///   - images: with the manifest's descriptor and the names each is saved under.
  ///   - unstored: those of their blobs that are not in the store.
  init(_ images: [SavedImage], unstored: [Digest: [UInt8]] = [:]) throws {
    self.unstored = unstored
    let images = images.sorted {
      ($0.references.first ?? "", $0.record.manifestDigest.hex)
        < ($1.references.first ?? "", $1.record.manifestDigest.hex)
    }
    let index = Index(
      manifests: images.flatMap { image in
        guard !image.references.isEmpty else { return [image.descriptor] }
        return image.references.map { reference in
          var named = image.descriptor
          named.annotations = [ImageName.ociAnnotation: reference, ImageName.containerdAnnotation: reference]
          return named
        }
      })
    let list = images.map { image in
      DockerArchiveImage(
        config: Self.path(of: image.manifest.config.digest), repoTags: image.references,
        layers: image.manifest.layers.map { Self.path(of: $0.digest) })
    }
    documents = [
      (Self.layoutFile, Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)),
      (Self.indexFile, try encode(index)), (DockerArchiveImage.listFile, try encode(list)),
    ]
    var seen: Set<Digest> = []
    blobs =
      (images.map(\.descriptor) + images.map(\.manifest.config) + images.flatMap(\.manifest.layers))
      .filter { seen.insert($0.digest).inserted }
  }

  static let layoutFile = "oci-layout"
  static let indexFile = "index.json"
  static func path(of digest: Digest) -> String { "blobs/sha256/\(digest.hex)" }

  /// What is to be written, in bytes, but for what an archive adds.
  var size: Int64 {
    blobs.reduce(documents.reduce(0) { $0 + Int64($1.bytes.count) }) { $0 + $1.size }
  }

  /// Writes all of it. Blocks.
  ///
  /// - Throws: `corrupt` for a blob that is not what its digest says any more.
  func write(to target: any LayoutTarget, from content: ContentStore) throws {
    for (path, bytes) in documents {
      try target.file(path, size: Int64(bytes.count)) { body in try bytes.withUnsafeBytes(body) }
    }
    for path in ["blobs", "blobs/sha256"] { try target.directory(path) }
    for blob in blobs {
      if let bytes = unstored[blob.digest] {
        try target.file(Self.path(of: blob.digest), size: blob.size) { try bytes.withUnsafeBytes($0) }
        continue
      }
      try target.file(Self.path(of: blob.digest), size: try content.size(of: blob.digest)) { body in
        var hasher = SHA256()
        try readFile(content.path(of: blob.digest), { _ in }) {
          hasher.update($0)
          try body($0)
        }
        guard hasher.finish() == blob.digest else {
          throw EngineError(
            .corrupt, "blob \(blob.digest.short) is not what its digest says", subject: "\(blob.digest)",
            hint: "the disk has damaged it; verify the image, then pull it again")
        }
      }
    }
  }
}

/// An image as it is saved.
struct SavedImage: Sendable {
  var record: ImageRecord
  var manifest: Manifest
  /// The manifest's.
  var descriptor: Descriptor
  /// In full form, sorted; empty where it is saved without a name.
  var references: [String]
}

/// Takes the files of a layout, in order.
protocol LayoutTarget {
  func directory(_ path: String) throws
  func file(
    _ path: String, size: Int64, _ content: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws
}

extension TarWriter: LayoutTarget {}

/// A layout as files.
struct LayoutDirectory: LayoutTarget {
  let root: FilePath
  let progress: TaskProgress
  let isCancelled: @Sendable () -> Bool
  private let written = WrittenBytes()

  /// Makes the directory, mode 0755.
  init(_ root: FilePath, progress: TaskProgress, isCancelled: @escaping @Sendable () -> Bool) throws {
    self.root = root
    self.progress = progress
    self.isCancelled = isCancelled
    try makeDirectories(root, mode: 0o755)
  }

  func directory(_ path: String) throws { try makeDirectories(root.appending(path), mode: 0o755) }

  func file(
    _ path: String, size: Int64, _ content: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    let file = try FileDescriptor.open(
      root.appending(path), .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
      permissions: [.ownerReadWrite, .groupRead, .otherRead])
    defer { try? file.close() }
    try content { bytes in
      if isCancelled() { throw EngineError.cancelled("writing the layout") }
      try file.writeFully(bytes)
      written.count += Int64(bytes.count)
      progress.report(written.count)
    }
  }

  private final class WrittenBytes { var count: Int64 = 0 }
}

/// An image in the list of a Docker archive (`manifest.json`, Docker's image specification 1.2).
struct DockerArchiveImage: Codable, Sendable {
  static let listFile = "manifest.json"

  var config: String
  var repoTags: [String]
  var layers: [String]

  init(config: String, repoTags: [String], layers: [String]) {
    self.config = config
    self.repoTags = repoTags
    self.layers = layers
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    config = try container.decode(String.self, forKey: .config)
    // Programs in Go write an empty list as null.
    repoTags = try container.decodeIfPresent([String].self, forKey: .repoTags) ?? []
    layers = try container.decodeIfPresent([String].self, forKey: .layers) ?? []
  }

  private enum CodingKeys: String, CodingKey {
    case config = "Config"
    case repoTags = "RepoTags"
    case layers = "Layers"
  }
}

/// Where a layout says how an image is called.
enum ImageName {
  static let ociAnnotation = "org.opencontainers.image.ref.name"
  /// The one that containerd, Docker and podman look at first; the other one may be a tag alone.
  static let containerdAnnotation = "io.containerd.image.name"

  /// Nil where there is none, or only a tag.
  ///
  /// - Throws: `corrupt` for what is no name.
  static func read(_ annotations: [String: String]?) throws -> Reference? {
    if let name = annotations?[containerdAnnotation] { return try parse(name) }
    guard let name = annotations?[ociAnnotation], name.contains("/") || name.contains(":") else { return nil }
    return try parse(name)
  }

  static func parse(_ name: String) throws -> Reference {
    do {
      return try Reference(parsing: name)
    } catch {
      throw EngineError(
        .corrupt, "the archive calls an image by what is no name: \(name.prefix(200))",
        causes: error.causes, hint: "the archive is broken or hostile")
    }
  }
}
