import EngineErrors
import LinuxSystem
import Metadata
import OCIModel
import Runner

extension ContainerEngine {
  /// Changes a container's limits and its restart policy; those of a running one at once.
  ///
  /// - Parameters:
  ///   - limits: what is nil stays; 0, or an empty text, takes a limit away.
  /// - Returns: the limits that it has now.
  /// - Throws: `invalidArgument`; `conflict` where it uses more memory than it would have. Nothing has changed then.
  package func update(_ name: String, limits: ResourceLimits?, restart: RestartPolicy?) async throws
    -> (limits: ResourceLimits, warnings: [ContainerWarning])
  {
    let found = try metadata.container(matching: name)
    let lock = try await locks.holdContainer(found.id)
    defer { lock.release() }
    guard let stored = try metadata.container(id: found.id) else { throw removedMeanwhile(found) }
    let record = try await settle(stored)
    var options = try options(record)
    let old = options.limits ?? .init()
    let new = limits.map { old.updated(with: $0) } ?? old
    var resources = try new.resources()
    options.limits = new == .init() ? nil : new
    if let restart { options.restart = restart }
    try check(options)
    let isLive = ContainerState.live.contains(record.state)
    if isLive, new != old {
      do {
        try await runner.update(
          record.id, to: try new.resources(after: old), from: try old.resources(after: new))
      } catch {
        throw named(error, record)
      }
    }
    var spec = try spec(record.id)
    resources.devices = spec.linux?.resources?.devices
    spec.linux?.resources = resources.isEmpty ? nil : resources
    do {
      try replaceFile(
        snapshots.containerDirectory(record.id).appending("config.json"), try encode(spec))
      _ = try await metadata.updateContainer(
        record.id, options: String(decoding: try encode(options), as: UTF8.self),
        events: [.containerUpdated(record.id, name: record.name)])
    } catch {
      if isLive, new != old {
        try? await runner.update(record.id, to: try old.resources(after: new), from: nil)
      }
      throw error
    }
    if isLive, restart != nil { try runner.setRestartRule(record.id, options.restart?.rule) }
    return (new, warnings(options))
  }

  private func check(_ options: ContainerOptions) throws(EngineError) {
    guard options.autoRemove, options.restart?.rule != nil else { return }
    throw EngineError(
      .conflict, "a container that goes when it exits does not start again", subject: "restart",
      retriable: false)
  }
}
