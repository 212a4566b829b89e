import EngineErrors
import Metadata
import Runner

/// A container on its way through `run`: made, and then started.
extension ContainerEngine {
  /// Makes a container and starts it. When it cannot be started, one with `autoRemove` does not stay.
  package func run(_ options: ContainerOptions) async throws -> ContainerSummary {
    let new = try await make(options)
    let record = new.record
    do {
      defer { new.lock.release() }
      let attention = try await locks.attendContainer(record.id)
      attended.withLock { $0[record.id] = attention }
      let plan = try LaunchPlan.compile(spec: new.spec, root: new.root, isRootless: configuration.isRootless)
      return try summary(try await launch(record, plan, opensStdin: options.opensStdin))
    } catch {
      leave(record.id)
      if options.autoRemove { try? await remove(record) }
      throw error
    }
  }

  /// Waits for a container that `run` has started, and removes it when it is to go.
  ///
  /// Cancellation leaves it as it is; the engine's watch then takes care of it.
  package func finish(_ container: ContainerSummary) async throws -> (ContainerSummary, ExitStatus) {
    defer { leave(container.id) }
    let record = try metadata.container(matching: container.id)
    let exit = try await exit(of: record)
    let ended = try await current(container.id)
    let summary = try summary(ended)
    if try options(ended).autoRemove { try await remove(ended) }
    return (summary, exit)
  }

  /// Lets the engines' watches see to a container that `run` saw to.
  package func leave(_ id: String) {
    guard let attention = attended.withLock({ $0.removeValue(forKey: id) }) else { return }
    attention.release()
    watchRequests.yield(id)
  }
}
