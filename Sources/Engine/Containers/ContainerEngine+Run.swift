import EngineErrors
import Metadata
import Runner

/// A container on its way through `run`: made, and then started.
extension ContainerEngine {
  /// Makes a container and starts it. When it cannot be started, one with `autoRemove` does not stay.
  package func run(_ options: ContainerOptions) async throws -> ContainerSummary {
    let draft = try await draft(options)
    var recorded: ContainerRecord?
    do {
      defer { draft.lock.release() }
      let (record, prepared) = try await prepareAndRecord(draft)
      recorded = record
      return try summary(try await launch(record, prepared))
    } catch {
      leave(draft.record.id)
      if options.autoRemove, let recorded { try? await remove(recorded, withVolumes: true) }
      throw error
    }
  }

  /// The shim makes the container's mounts while the database learns of it. Neither stays if the other fails.
  private func prepareAndRecord(_ draft: DraftContainer) async throws -> (
    ContainerRecord, PreparedContainer
  ) {
    do {
      var draft = draft
      let ports = try reservePorts(&draft.options)
      var prepared = try await prepare(draft.record, draft.spec, draft.root, draft.options)
      prepared.ports = ports
      do {
        let attention = try await locks.attendContainer(draft.record.id)
        attended.withLock { $0[draft.record.id] = attention }
        return (try await record(draft), prepared)
      } catch {
        await runner.callOff(prepared)
        throw error
      }
    } catch {
      await discard(draft)
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
    if try options(ended).autoRemove { try await remove(ended, withVolumes: true) }
    return (summary, exit)
  }

  /// Lets the engines' watches see to a container that `run` saw to.
  package func leave(_ id: String) {
    guard let attention = attended.withLock({ $0.removeValue(forKey: id) }) else { return }
    attention.release()
    watchRequests.yield(id)
  }
}
