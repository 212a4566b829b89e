import EngineErrors
import Foundation
import OCIModel
import SystemPackage
import Testing

@testable import Metadata

/// Runs `body` with the path of a database in a directory that is removed afterwards.
func withDatabasePath(
  isolation: isolated (any Actor)? = #isolation, _ body: (FilePath) async throws -> Void
) async throws {
  let parent = FileManager.default.temporaryDirectory.appendingPathComponent("metadata-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: parent) }
  try await body(FilePath(parent.path).appending("db.sqlite"))
}

func withStore(
  isolation: isolated (any Actor)? = #isolation, _ body: (MetadataStore) async throws -> Void
) async throws {
  try await withDatabasePath { try await body(MetadataStore(path: $0)) }
}

func digest(_ text: String) -> Digest { Digest(of: Array(text.utf8)) }

func image(_ name: String, layers: [String] = ["base", "top"], createdAt: Int64 = 1) -> ImageRecord {
  ImageRecord(
    manifestDigest: digest(name), mediaType: "application/vnd.oci.image.manifest.v1+json",
    configDigest: digest(name + " config"), size: 12_345,
    platform: Platform(os: "linux", architecture: "arm64", variant: "v8"),
    layers: layers.map {
      LayerRecord(
        descriptor: Descriptor(
          mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: digest($0 + " gzip"), size: 77,
          annotations: ["a/b": "ü \"quoted\""]),
        diffID: digest($0), key: digest($0 + " key"))
    }, createdAt: createdAt)
}

func container(_ id: String, name: String? = nil, of image: ImageRecord) -> ContainerRecord {
  ContainerRecord(
    id: id, name: name ?? "name-\(id)", imageDigest: image.manifestDigest, imageName: "busybox", createdAt: 5,
    options: #"{"command":["/bin/true"]}"#)
}

/// The error that `body` throws.
func failure<Value>(
  isolation: isolated (any Actor)? = #isolation, of body: () async throws -> Value
) async -> EngineError? {
  do {
    _ = try await body()
    return nil
  } catch {
    return EngineError("test", wrapping: error)
  }
}

func kind<Value>(
  isolation: isolated (any Actor)? = #isolation, of body: () async throws -> Value
) async -> ErrorKind? {
  await failure(of: body)?.kind
}
