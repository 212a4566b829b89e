import Dockerfile
import Engine
import EngineErrors
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
      self.context = .directory(try absolute(path))
    }
    dockerfile = wire.file
    dockerfileText = wire.dockerfile.map { Array($0.utf8) }
    target = wire.target
    arguments = wire.arguments ?? [:]
    labels = wire.labels ?? [:]
    if let platform = wire.platform { self.platform = try Platform(parsing: platform) }
    network = wire.network == .host ? .host : .none
    for secret in wire.secrets ?? [] {
      switch (secret.path, secret.value) {
      case (let path?, nil): secrets[secret.id] = .file(try absolute(path))
      case (nil, let value?): secrets[secret.id] = .value(Array(value.utf8))
      default:
        throw EngineError(
          .invalidArgument, "the secret \(secret.id) needs either a path or a value", subject: secret.id)
      }
    }
    for (name, place) in wire.contexts ?? [:] {
      let scheme = "docker-image://"
      namedContexts[name] =
        place.hasPrefix(scheme)
        ? .image(String(place.dropFirst(scheme.count))) : .directory(try absolute(place))
    }
    usesCache = !(wire.noCache ?? false)
    pulls = wire.pull ?? false
  }
}

extension BuildStep {
  init(_ step: BuiltStep) {
    self.init(
      number: step.number, stage: step.stage, ordinal: step.ordinal, line: step.line,
      instruction: step.instruction, cached: step.isCached,
      reasons: step.reasons.isEmpty ? nil : step.reasons,
      durationMs: step.milliseconds.map { Int($0) }, layer: step.layer?.description,
      layerSize: step.layerSize.map { Int($0) }, lastRunAt: step.lastRunAt.map { WireTime.text($0) },
      lastDurationMs: step.lastMilliseconds.map { Int($0) })
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
