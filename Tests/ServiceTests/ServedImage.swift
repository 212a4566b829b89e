import OCIModel
import SystemPackage
import TestSupport

/// An image as a registry serves it, usually as `app:1`, its layers compressed with gzip.
struct ServedImage: Sendable {
  var manifest: [UInt8]
  var config: [UInt8]
  var layers: [[UInt8]]

  /// One of busybox alone.
  init(_ store: TestStore) async throws {
    try await self.init(tars: [store.busyboxArchive().readAll()])
  }

  /// - Parameter tars: the lowest first.
  init(tars: [[UInt8]]) async throws {
    var layers: [[UInt8]] = []
    for tar in tars {
      layers.append(try await ChildProcess.run(["gzip", "-c", "-n"], input: .bytes(tar)).stdout)
    }
    try await self.init(layers: layers, diffIDs: tars.map { Digest(of: $0) })
  }

  /// - Parameter layers: as they are served, whatever they are.
  init(layers: [[UInt8]], diffIDs: [Digest]) async throws {
    self.layers = layers
    let list = diffIDs.map { "\"\($0)\"" }.joined(separator: ",")
    config = Array(
      #"{"architecture":"\#(Platform.host.architecture)","os":"linux","rootfs":{"type":"layers","diff_ids":[\#(list)]}}"#
        .utf8)
    manifest = []
    manifest = manifestBytes
  }

  /// Puts another configuration in, with a manifest that fits.
  mutating func use(config text: String) {
    config = Array(text.utf8)
    manifest = manifestBytes
  }

  /// Changes the manifest's text.
  mutating func replace(_ text: String, with other: String) {
    manifest = Array(String(decoding: manifest, as: UTF8.self).replacing(text, with: other).utf8)
  }

  private var manifestBytes: [UInt8] {
    let list = layers.map {
      #"{"mediaType":"\#(MediaType.ociLayer)+gzip","digest":"\#(Digest(of: $0))","size":\#($0.count)}"#
    }.joined(separator: ",")
    return Array(
      """
      {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)",
       "config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"\(Digest(of: config))","size":\(config.count)},
       "layers":[\(list)]}
      """.utf8)
  }

  /// One whose digests are right, and whose document is none.
  func withoutJSON(at point: PullPoint) -> ServedImage {
    var bad = self
    let text = Array("<html>this is not what you are looking for</html>".utf8)
    if point == .manifest {
      bad.manifest = text
    } else {
      bad.config = text
      bad.manifest = bad.manifestBytes
    }
    return bad
  }

  func serve(
    on server: FaultyServer, as name: String = "app",
    _ change: (PullPoint, FaultyResponse) -> FaultyResponse = { $1 }
  ) {
    server.on("GET", "/v2/\(name)/manifests/1", change(.manifest, .manifest(manifest)))
    server.on("GET", "/v2/\(name)/blobs/\(Digest(of: config))", change(.config, .blob(config)))
    for layer in layers {
      server.on("GET", "/v2/\(name)/blobs/\(Digest(of: layer))", change(.layer, .blob(layer)))
    }
  }
}
