import EngineErrors
import Foundation
package import Layers
import LinuxSystem
import Metadata
package import OCIModel

/// How a build that was done anew compares with an image.
package struct BuildVerification: Sendable {
  package var image: Digest
  package var rebuilt: Digest
  package var settings: [SettingDifference]
  package var files: [LayerFileDifference]
  package var steps: [BuiltStep]
}

/// Something besides files that two images say differently, as JSON.
package struct SettingDifference: Sendable {
  package var name: String
  package var was: String?
  package var now: String?
}

package struct LayerFileDifference: Sendable {
  /// From 1, the lowest.
  package var layer: Int
  /// What made the layer, as the image says.
  package var instruction: String?
  package var difference: TreeDifference
}

extension ContainerEngine {
  /// Builds all anew, without the cache, and compares the outcome with an image, layer by layer and file by file. What is built
  /// anew is kept nowhere.
  ///
  /// - Parameter name: the image; what the build gives with the cache where nil.
  /// - Throws: as `build`; `notFound` for the image.
  package func verifyBuild(
    _ request: BuildRequest, against name: String?, reporter: TaskReporter = .silent,
    output: (@Sendable ([UInt8]) async throws -> Void)? = nil
  ) async throws -> BuildVerification {
    let known = try name.map { try image(named: $0) }
    let addition = try await beginAddition()
    defer { addition.end() }
    // Read once: it may come as a stream.
    let context = try await openContext(request.context, request, reporter)
    var (before, beforeConfig) = (known, try known.map { try config(of: $0) })
    if known == nil {
      let draft = try await withBuild(request, addition, reporter, output, opened: context) {
        (build, _, state) async throws -> DraftImage in try self.draft(state, request, build)
      }
      (before, beforeConfig) = (draft.record, draft.config)
    }
    var anew = request
    anew.usesCache = false
    let (after, steps) = try await withBuild(
      anew, addition, reporter, output, opened: context, keepsSteps: false
    ) { (build, _, state) async throws -> (DraftImage, [BuiltStep]) in
      (try self.draft(state, anew, build), build.steps)
    }
    guard let before, let beforeConfig else {
      throw EngineError(.internal, "there is no image to compare with")
    }
    let files =
      before.manifestDigest == after.record.manifestDigest
      ? [] : try await differences(before, beforeConfig, after.record, after.config, reporter)
    let verification = BuildVerification(
      image: before.manifestDigest, rebuilt: after.record.manifestDigest,
      settings: before.manifestDigest == after.record.manifestDigest
        ? [] : try settings(before, beforeConfig, after.record, after.config), files: files, steps: steps)
    addition.end()
    // What was built anew is nobody's.
    await collectBehind()
    return verification
  }

  private func differences(
    _ before: ImageRecord, _ beforeConfig: ImageConfig, _ after: ImageRecord, _ afterConfig: ImageConfig,
    _ reporter: TaskReporter
  ) async throws -> [LayerFileDifference] {
    var found: [LayerFileDifference] = []
    let (told, toldAfter) = (beforeConfig.layerInstructions, afterConfig.layerInstructions)
    for index in 0..<max(before.layers.count, after.layers.count) {
      let old = index < before.layers.count ? before.layers[index] : nil
      let new = index < after.layers.count ? after.layers[index] : nil
      if old?.diffID == new?.diffID { continue }
      let (oldTree, newTree) = (
        old.map { snapshots.layerDirectory($0.key) }, new.map { snapshots.layerDirectory($0.key) }
      )
      let differences = try await reporter.task("compare layer \(index + 1)") { _, _ in
        try await untilCancelled { isCancelled in
          try await onBlockingThread("compare") {
            try TreeDifferences(isCancelled: isCancelled).find(oldTree, newTree)
          }
        }
      }
      let instruction =
        index < toldAfter.count ? toldAfter[index] : index < told.count ? told[index] : nil
      found += differences.map {
        LayerFileDifference(layer: index + 1, instruction: instruction, difference: $0)
      }
    }
    return found
  }

  private func settings(
    _ before: ImageRecord, _ beforeConfig: ImageConfig, _ after: ImageRecord, _ afterConfig: ImageConfig
  ) throws -> [SettingDifference] {
    let (old, new) = (try beforeConfig.members, try afterConfig.members)
    var found = Set(old.keys).union(new.keys).sorted().compactMap { name in
      old[name] == new[name] ? nil : SettingDifference(name: name, was: old[name], now: new[name])
    }
    if before.layers.map(\.diffID) == after.layers.map(\.diffID),
      before.layers.map(\.descriptor.digest) != after.layers.map(\.descriptor.digest)
    {
      // The same files, packed by another program.
      found.append(
        SettingDifference(
          name: "compressed layers", was: try Self.json(before.layers.map(\.descriptor.digest.description)),
          now: try Self.json(after.layers.map(\.descriptor.digest.description))))
    }
    if found.isEmpty, before.mediaType != after.mediaType {
      found.append(
        SettingDifference(
          name: "mediaType", was: try Self.json([before.mediaType]), now: try Self.json([after.mediaType])))
    }
    return found
  }

  private static func json(_ list: [String]) throws -> String {
    String(decoding: try encode(list), as: UTF8.self)
  }
}

extension ImageConfig {
  /// What made each layer, the lowest first.
  fileprivate var layerInstructions: [String?] {
    (history ?? []).filter { $0.emptyLayer != true }.map(\.createdBy)
  }

  private static func bytes(of config: ImageConfig) throws -> [UInt8] {
    let encoder = JSONEncoder()
    return Array(try encoder.encode(config))
  }

  /// All but the layers, as JSON by name.
  fileprivate var members: [String: String] {
    get throws {
      let bytes = try Self.bytes(of: self)
      guard let document = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else {
        return [:]
      }
      var members: [String: String] = [:]
      func add(_ name: String, _ value: Any) throws {
        let bytes = try JSONSerialization.data(
          withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes, .fragmentsAllowed])
        members[name] = String(decoding: bytes, as: UTF8.self)
      }
      for (name, value) in document where name != "rootfs" {
        if name == "config", let execution = value as? [String: Any] {
          for (name, value) in execution { try add(name, value) }
        } else {
          try add(name, value)
        }
      }
      return members
    }
  }
}
