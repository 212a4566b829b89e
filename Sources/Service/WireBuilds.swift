import Dockerfile
import Engine
import EngineErrors
import Foundation
import Metadata
import OCIModel
import RPCModel
import SystemPackage

/// What a build is asked for, and what is told of it, between the wire and the engine.
extension BuildRequest {
  /// - Parameter context: where the client sends it; nil where the description has a path, or nothing.
  init(_ wire: BuildDescription, context: ArchiveSource?, absolute: (String) throws -> FilePath) throws {
    self.init()
    if let context {
      self.context = .archive(context)
    } else if let path = wire.context {
      self.context = RemoteSources.isAddress(path) ? .remote(path) : .directory(try absolute(path))
    }
    dockerfile = wire.file
    dockerfileText = wire.dockerfile.map { Array($0.utf8) }
    ignoreText = wire.dockerignore.map { Array($0.utf8) }
    target = wire.target
    arguments = wire.arguments ?? [:]
    labels = wire.labels ?? [:]
    if let platform = wire.platform { self.platform = try Platform(parsing: platform) }
    switch wire.network {
    case nil, "default": network = .automatic
    case "none": network = .none
    case "host": network = .host
    case let name?: network = .named(name)
    }
    for secret in wire.secrets ?? [] {
      switch (secret.path, secret.value, secret.base64) {
      case (let path?, nil, nil): secrets[secret.id] = .file(try absolute(path))
      case (nil, let value?, nil): secrets[secret.id] = .value(Array(value.utf8))
      case (nil, nil, let text?):
        guard let bytes = Data(base64Encoded: text) else {
          throw EngineError(
            .invalidArgument, "the value of the secret \(secret.id) is not base64", subject: secret.id,
            hint: "encode it as RFC 4648 says, with padding, or give value for text")
        }
        secrets[secret.id] = .value(Array(bytes))
      default:
        throw EngineError(
          .invalidArgument, "the secret \(secret.id) needs either a path or a value", subject: secret.id,
          hint: "give one of path, value and base64")
      }
    }
    for agent in wire.ssh ?? [] { agents[agent.id] = try absolute(agent.path) }
    for name in wire.allow ?? [] {
      guard let known = BuildEntitlement(rawValue: name) else {
        throw EngineError(
          .invalidArgument, "a build cannot be allowed '\(name.prefix(100))'", subject: "allow",
          hint: "it is \(BuildEntitlement.allCases.map(\.rawValue).joined(separator: " or "))")
      }
      entitlements.insert(known)
    }
    for (name, place) in wire.contexts ?? [:] {
      namedContexts[name] = try NamedContext(wire: place, absolute: absolute)
    }
    cacheSources = try (wire.cacheFrom ?? []).map { try Reference(parsing: $0) }
    usesCache = !(wire.noCache ?? false)
    pulls = wire.pull ?? false
  }
}

extension NamedContext {
  init(wire text: String, absolute: (String) throws -> FilePath) throws {
    let (image, layout) = ("docker-image://", "oci-layout://")
    if text.hasPrefix(image) {
      self = .image(String(text.dropFirst(image.count)))
    } else if text.hasPrefix(layout) {
      var place = text.dropFirst(layout.count)
      var digest: OCIModel.Digest?
      if let at = place.lastIndex(of: "@") {
        digest = try OCIModel.Digest(String(place[place.index(after: at)...]))
        place = place[..<at]
      }
      var tag: String?
      if let colon = place.lastIndex(of: ":"), !place[colon...].contains("/") {
        tag = String(place[place.index(after: colon)...])
        place = place[..<colon]
      }
      self = .layout(try absolute(String(place)), tag: tag, digest: digest)
    } else if RemoteSources.isAddress(text) {
      self = .remote(text)
    } else if text.firstMatch(of: #/^[a-z][a-z-]*:\/\//#) != nil {
      throw EngineError(
        .unsupported, "a build takes nothing from \(text.prefix(200))", subject: text,
        hint: "give a directory, docker-image://NAME, oci-layout://PATH, or an address of git or the web")
    } else {
      self = .directory(try absolute(text))
    }
  }
}

extension Engine.BuildDebug {
  init?(_ wire: RPCModel.BuildDebug?) {
    guard let wire else { return nil }
    self.init(line: wire.line, isAfter: wire.after ?? false)
  }
}

extension Engine.BuildCacheTarget {
  init?(_ wire: RPCModel.BuildCacheTarget?) throws {
    guard let wire else { return nil }
    let reference = try Reference(parsing: wire.reference)
    guard reference.digest == nil else {
      throw EngineError(
        .invalidArgument, "a cache cannot be sent under a digest: \(wire.reference)", subject: wire.reference,
        hint: "give it a name and a tag")
    }
    self.init(reference, isWhole: wire.mode == .max)
  }
}

extension RPCModel.BuildCacheExport {
  init(_ export: Engine.BuildCacheExport) {
    self.init(
      reference: export.reference.description, digest: export.digest.description, steps: export.steps,
      bytes: Int(export.bytes), sentBytes: Int(export.sentBytes))
  }
}

extension BuildFileDifference {
  init(_ file: LayerFileDifference) {
    let difference = file.difference
    let change: ChangeKind =
      switch difference.kind {
      case .added: .added
      case .modified: .modified
      case .deleted: .deleted
      }
    self.init(
      layer: file.layer, instruction: file.instruction, path: difference.path, change: change,
      aspects: difference.aspects.isEmpty
        ? nil : difference.aspects.map { BuildFileAspect(rawValue: $0.rawValue) })
  }
}

extension BuildStep {
  init(_ step: BuiltStep) {
    self.init(
      number: step.number, stage: step.stage, ordinal: step.ordinal, line: step.line,
      instruction: step.instruction, cached: step.isCached,
      unknown: step.isUnknown ? true : nil, reasons: step.reasons.isEmpty ? nil : step.reasons,
      durationMs: step.milliseconds.map { Int($0) }, layer: step.layer?.description,
      layerSize: step.layerSize.map { Int($0) }, lastRunAt: step.lastRunAt.map { WireTime.text($0) },
      lastDurationMs: step.lastMilliseconds.map { Int($0) },
      lastLayerSize: step.lastLayerSize.map { Int($0) }, cachedFrom: step.cachedFrom?.description)
  }
}

extension BuildWarning {
  init(_ warning: LintWarning) {
    self.init(
      rule: warning.rule.rawValue, message: warning.message, line: warning.position.line,
      column: warning.position.column)
  }
}

extension BuildCacheEntry {
  init(_ step: BuildStepRecord) {
    self.init(
      key: step.key.description, instruction: step.source, layer: step.layer?.descriptor.digest.description,
      layerSize: step.layer.map { Int($0.descriptor.size) }, durationMs: Int(step.milliseconds),
      createdAt: WireTime.text(step.createdAt), usedAt: WireTime.text(step.usedAt))
  }
}
