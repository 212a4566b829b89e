import Engine
import RPCModel

/// What registries say, as the wire has it.
extension RegistryNotices {
  var wireWarnings: [RegistryWarning]? {
    warnings.isEmpty ? nil : warnings.map { RegistryWarning(registry: $0.registry, text: $0.text) }
  }
}

extension RateLimit {
  init(_ limit: RegistryNotices.RateLimit) {
    self.init(
      registry: limit.registry, limit: max(0, limit.limit), remaining: max(0, limit.remaining),
      windowSeconds: limit.window.map { max(0, $0) })
  }
}

extension PushOutcome {
  init(_ outcome: PushedBlobOutcome) {
    self =
      switch outcome {
      case .present: .present
      case .mounted: .mounted
      case .sent: .pushed
      }
  }
}
