import Foundation
package import OCIModel

/// What a new image's configuration says beyond its layers; nil leaves what the image below it says.
package struct ImageChanges: Sendable {
  package var command: [String]?
  package var entrypoint: [String]?
  /// Each variable replaces one of the same name.
  package var environment: [String: String]?
  package var workingDirectory: String?
  package var user: String?
  package var labels: [String: String]?
  package var exposedPorts: [String]?
  package var stopSignal: String?
  /// Those of the image below stay.
  package var volumes: [String]?
  /// Instructions for builds from the image, behind those that are there.
  package var onBuild: [String]?
  package var healthcheck: ImageConfig.Healthcheck?

  package init() {}

  func applied(to base: ImageConfig.Execution) -> ImageConfig.Execution {
    var config = base
    if let entrypoint {
      config.entrypoint = entrypoint
      // As in a Dockerfile: the old arguments are not those of a new program.
      config.cmd = nil
    }
    if let command { config.cmd = command }
    if let environment { config.env = (config.env ?? []).settingVariables(environment) }
    if let workingDirectory { config.workingDir = workingDirectory }
    if let user { config.user = user }
    if let labels { config.labels = (config.labels ?? [:]).merging(labels) { $1 } }
    if let exposedPorts {
      config.exposedPorts = (config.exposedPorts ?? [:])
        .merging(exposedPorts.map { ($0, ImageConfig.Empty()) }) { $1 }
    }
    if let stopSignal { config.stopSignal = stopSignal }
    if let volumes {
      config.volumes = (config.volumes ?? [:]).merging(volumes.map { ($0, ImageConfig.Empty()) }) { $1 }
    }
    if let onBuild { config.onBuild = (config.onBuild ?? []) + onBuild }
    if let healthcheck { config.healthcheck = healthcheck }
    return config
  }
}

extension [String] {
  /// `NAME=value` entries with `variables` in place of those of the same name, new ones at the end by name.
  func settingVariables(_ variables: [String: String]) -> [String] {
    func name(_ entry: String) -> Substring { entry.prefix { $0 != "=" } }
    let kept = map { entry in variables[String(name(entry))].map { "\(name(entry))=\($0)" } ?? entry }
    let known = Set(kept.map { String(name($0)) })
    return kept
      + variables.filter { !known.contains($0.key) }.sorted { $0.key < $1.key }
      .map { "\($0.key)=\($0.value)" }
  }
}

/// The time now, as image configurations have it (RFC 3339, UTC).
func timestamp() -> String {
  Date.now.formatted(.iso8601)
}
