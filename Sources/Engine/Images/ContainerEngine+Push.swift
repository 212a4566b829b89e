import EngineErrors
import Metadata
package import OCIModel
import Registry

/// What a push did, layer by layer.
package struct PushResult: Sendable {
  package var reference: Reference
  /// The manifest's digest, as the registry has confirmed it.
  package var digest: Digest
  package var blobs: [PushedBlob]
}

package struct PushedBlob: Sendable {
  package var descriptor: Descriptor
  /// The registry had it.
  package var wasPresent: Bool
}

extension ContainerEngine {
  /// Sends an image to a registry: the blobs it lacks at the same time, then the manifest.
  ///
  /// - Parameter destination: the name there; the image's own name where nil.
  /// - Throws: `notFound`, `unauthorized`, `unreachable`. Cancellation stops the transfers; what the registry
  ///   already took stays there until it collects it.
  package func push(
    _ name: String, to destination: String? = nil, reporter: TaskReporter = .silent
  ) async throws -> PushResult {
    let image = try image(named: name)
    let target = try Reference(parsing: destination ?? name)
    return try await reporter.task("push \(target.familiar)") { _, reporter in
      let held = try await locks.holdContent()
      defer { held.release() }
      let manifest = try manifest(of: image)
      let named =
        manifest.layers.map { ("layer \($0.digest.short)", $0) } + [("configuration", manifest.config)]
      let blobs = try await pushBlobs(named, to: target, reporter: reporter)
      let bytes = try content.read(image.manifestDigest, limit: documentLimit)
      let digest = try await registry.pushManifest(target, bytes, mediaType: image.mediaType)
      try await metadata.append(.imagePushed(digest, reference: target.description))
      return PushResult(reference: target, digest: digest, blobs: blobs)
    }
  }

  private func pushBlobs(
    _ blobs: [(title: String, descriptor: Descriptor)], to target: Reference, reporter: TaskReporter
  ) async throws
    -> [PushedBlob]
  {
    try await withThrowingTaskGroup(of: (Int, PushedBlob).self) { group in
      var pushed = blobs.map { PushedBlob(descriptor: $0.descriptor, wasPresent: true) }
      for (index, blob) in blobs.enumerated() {
        if index >= configuration.concurrentLayers, let (done, result) = try await group.next() {
          pushed[done] = result
        }
        group.addTask { [self] in
          (index, try await pushBlob(blob.descriptor, blob.title, to: target, reporter: reporter))
        }
      }
      for try await (done, result) in group { pushed[done] = result }
      return pushed
    }
  }

  private func pushBlob(_ blob: Descriptor, _ title: String, to target: Reference, reporter: TaskReporter)
    async throws
    -> PushedBlob
  {
    if try await registry.hasBlob(target, blob.digest) {
      return PushedBlob(descriptor: blob, wasPresent: true)
    }
    _ = try await reporter.task(title, total: blob.size) { progress, _ in
      try await registry.pushBlob(target, blob, from: content.path(of: blob.digest)) { progress.report($0) }
    }
    return PushedBlob(descriptor: blob, wasPresent: false)
  }
}
