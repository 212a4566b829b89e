import EngineErrors
import OCIModel
import Registry
import Synchronization
import TestSupport

/// A client that does not wait between tries but remembers how long it would have.
struct TestClient {
  let client: RegistryClient
  private let log: PauseLog

  var pauses: [Duration] { log.pauses.withLock { $0 } }

  init(_ change: (inout RegistryConfiguration) -> Void = { _ in }) {
    let log = PauseLog()
    var configuration = RegistryConfiguration()
    configuration.pause = { delay in log.pauses.withLock { $0.append(delay) } }
    change(&configuration)
    client = RegistryClient(configuration: configuration)
    self.log = log
  }
}

private final class PauseLog: Sendable {
  let pauses = Mutex<[Duration]>([])
}

/// Takes what a fetch delivers.
final class Sink: Sendable {
  private let content = Mutex<[UInt8]>([])
  private let failAt: Int
  /// Has an element for each piece that arrived.
  let pieces: AsyncStream<Int>
  private let arrived: AsyncStream<Int>.Continuation

  struct Full: Error, Equatable {}

  init(failAt: Int = .max) {
    self.failAt = failAt
    (pieces, arrived) = AsyncStream.makeStream()
  }

  var bytes: [UInt8] { content.withLock { $0 } }

  func receive(_ piece: UnsafeRawBufferPointer) throws {
    let count = content.withLock { content in
      content.append(contentsOf: piece)
      return content.count
    }
    arrived.yield(piece.count)
    if count >= failAt { throw Full() }
  }
}

/// Bytes without a short period, the same for the same seed.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed
  var words: [UInt64] = []
  words.reserveCapacity(count / 8 + 1)
  for _ in 0...count / 8 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    words.append(state)
  }
  return words.withUnsafeBytes { Array($0.prefix(count)) }
}

func layer(_ bytes: [UInt8]) -> Descriptor {
  Descriptor(mediaType: MediaType.ociLayer, digest: Digest(of: bytes), size: Int64(bytes.count))
}

/// The bytes of an image manifest with these layers.
func manifest(config: Descriptor, layers: [Descriptor], padding: Int = 0) -> [UInt8] {
  func json(_ descriptor: Descriptor) -> String {
    #"{"mediaType":"\#(descriptor.mediaType)","digest":"\#(descriptor.digest)","size":\#(descriptor.size)}"#
  }
  let list = layers.map(json).joined(separator: ",")
  return Array(
    """
    {"schemaVersion":2,"mediaType":"\(MediaType.ociManifest)","config":\(json(config)),"layers":[\(list)],
    "annotations":{"padding":"\(String(repeating: "x", count: padding))"}}
    """.utf8)
}

let plainManifest = manifest(
  config: Descriptor(mediaType: MediaType.ociConfig, digest: Digest(of: "{}".utf8), size: 2), layers: [])
