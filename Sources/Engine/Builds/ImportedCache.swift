import EngineErrors
import Foundation
import Metadata
package import OCIModel

/// A build's cache as it lies in a registry: an image manifest whose layers are those of the instructions, and whose
/// configuration is this document.
struct CacheDocument: Codable {
  static let mediaType = "application/vnd.coracle.buildcache.v1+json"
  /// In bytes.
  static let limit = 64 << 20

  struct Step: Codable {
    var key: Digest
    var parent: Digest
    var source: String
    var inputs: [String: String]
    var layer: Layer?
    var milliseconds: Int64
    /// In nanoseconds since 1970.
    var createdAt: Int64
  }

  struct Layer: Codable {
    var descriptor: Descriptor
    var diffID: Digest
  }

  var version = 1
  var steps: [Step]

  init(_ records: [BuildStepRecord]) {
    var seen: Set<Digest> = []
    steps = records.filter { seen.insert($0.key).inserted }.map { record in
      Step(
        key: record.key, parent: record.parent, source: record.source, inputs: record.inputs,
        layer: record.layer.map { Layer(descriptor: $0.descriptor, diffID: $0.diffID) },
        milliseconds: record.milliseconds, createdAt: record.createdAt)
    }
  }

  /// Each once.
  var layers: [Descriptor] {
    var seen: Set<Digest> = []
    return steps.compactMap(\.layer?.descriptor).filter { seen.insert($0.digest).inserted }
  }
}

/// What a build may use of another one's cache.
struct ImportedCache: Sendable {
  let reference: Reference
  /// By their keys.
  let steps: [Digest: BuildStepRecord]

  /// - Throws: `corrupt` for what is no such document, or one whose keys are not those of what it says: a key is a digest of
  ///   all that decides.
  init(_ reference: Reference, parsing bytes: [UInt8]) throws(EngineError) {
    self.reference = reference
    let document: CacheDocument
    do {
      document = try JSONDecoder().decode(CacheDocument.self, from: Data(bytes))
    } catch {
      throw EngineError(
        .corrupt, "cannot read the cache \(reference.familiar)", subject: reference.description,
        causes: ["\(error)"], hint: "send it again, with cacheTo")
    }
    guard document.version == 1 else {
      throw EngineError(
        .unsupported, "the cache \(reference.familiar) has the version \(document.version)",
        subject: reference.description)
    }
    var steps: [Digest: BuildStepRecord] = [:]
    for step in document.steps {
      guard StepKey.make(parent: step.parent, step.inputs) == step.key else {
        throw EngineError(
          .corrupt, "the cache \(reference.familiar) has a step whose key is not its own",
          subject: reference.description, hint: "send it again, with cacheTo")
      }
      steps[step.key] = BuildStepRecord(
        key: step.key, parent: step.parent, source: step.source, inputs: step.inputs,
        layer: step.layer.map {
          LayerRecord(descriptor: $0.descriptor, diffID: $0.diffID, key: $0.diffID)
        }, milliseconds: max(0, step.milliseconds), createdAt: max(0, step.createdAt))
    }
    self.steps = steps
  }
}

/// Where a build's cache goes.
package struct BuildCacheTarget: Sendable {
  package var reference: Reference
  /// Whether the instructions of all stages go there, and not only those of the image.
  package var isWhole: Bool

  package init(_ reference: Reference, isWhole: Bool) {
    self.reference = reference
    self.isWhole = isWhole
  }
}

package struct BuildCacheExport: Sendable {
  package var reference: Reference
  /// Of the manifest.
  package var digest: Digest
  package var steps: Int
  /// Of the layers, in bytes; and how much of it had to be sent.
  package var bytes: Int64
  package var sentBytes: Int64
}
