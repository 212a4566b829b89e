import EngineErrors
import Metadata

/// What becomes of a container, as a value: which changes follow from what is seen of its processes, and which requests its
/// state allows. No file, process or database: `ContainerEngine+Settle` sees and records.
///
/// ```
/// created ── start ──▶ running ◀─ unpause/pause ─▶ paused
///                       │  ▲                          │
///                   end │  │ the shim starts again    │ end
///                       ▼  │                          ▼
///                    restarting ── gives up ──────▶ exited ── start ──▶ running
/// ```
struct ContainerLife: Hashable, Sendable {
  var state: ContainerState

  /// What there is of a container outside of the database.
  enum Sighting: Hashable, Sendable, CaseIterable {
    /// Never started since the machine was, or cleaned up.
    case absent
    case running
    case paused
    /// Its shim lives and will start it again.
    case restarting
    /// There is an exit record, of the container's end or of its shim's loss.
    case exited
    /// The same, of another end than the database knows.
    case exitedAgain
  }

  enum Change: Hashable, Sendable {
    case started
    case paused
    case unpaused
    case exited
    /// Its end is known only from nothing being there any more.
    case lost
  }

  /// What has to be recorded, in order, for the database to say what is seen. What a shim wrote about its restarts has been
  /// recorded before, so where that is behind what is seen now, the next look brings the rest.
  func changes(seeing sighting: Sighting) -> [Change] {
    switch (state, sighting) {
    case (.created, .absent), (.created, .restarting), (.exited, .absent), (.exited, .exited),
      (.exited, .restarting), (.running, .running), (.running, .restarting), (.paused, .paused),
      (.paused, .restarting), (.restarting, .restarting), (.restarting, .running), (.restarting, .paused):
      []
    case (.created, .running), (.exited, .running):
      // The service that started it died before it could say so.
      [.started]
    case (.created, .paused), (.exited, .paused): [.started, .paused]
    case (.created, .exited), (.created, .exitedAgain), (.exited, .exitedAgain): [.started, .exited]
    case (.running, .paused): [.paused]
    case (.paused, .running): [.unpaused]
    case (.running, .exited), (.paused, .exited), (.restarting, .exited), (.running, .exitedAgain),
      (.paused, .exitedAgain), (.restarting, .exitedAgain):
      [.exited]
    case (.running, .absent), (.paused, .absent), (.restarting, .absent): [.lost]
    }
  }

  func after(_ change: Change) -> ContainerLife {
    switch change {
    case .started, .unpaused: ContainerLife(state: .running)
    case .paused: ContainerLife(state: .paused)
    case .exited, .lost: ContainerLife(state: .exited)
    }
  }

  enum Request: Hashable, Sendable, CaseIterable {
    case start, stop, kill, pause, unpause, exec, remove
  }

  enum Verdict: Hashable, Sendable {
    case proceed
    /// It is so already.
    case done
    case refuse(ErrorKind, reason: String, hint: String?)
  }

  func verdict(on request: Request) -> Verdict {
    switch (request, state) {
    case (.start, .created), (.start, .exited): .proceed
    case (.start, .running): .refuse(.conflict, reason: "runs already", hint: nil)
    case (.start, .paused): .refuse(.conflict, reason: "is paused", hint: "unpause it")
    case (.start, .restarting): .refuse(.conflict, reason: "is about to start again by itself", hint: nil)
    case (.stop, .running), (.stop, .paused), (.stop, .restarting): .proceed
    case (.stop, .exited): .done
    case (.stop, .created): .refuse(.conflict, reason: "was not started", hint: nil)
    case (.kill, .running), (.kill, .paused), (.kill, .restarting): .proceed
    case (.pause, .running): .proceed
    case (.pause, .paused): .refuse(.conflict, reason: "is paused already", hint: nil)
    case (.unpause, .paused): .proceed
    case (.unpause, .running): .refuse(.conflict, reason: "is not paused", hint: nil)
    case (.exec, .running): .proceed
    case (.exec, .paused): .refuse(.conflict, reason: "is paused", hint: "unpause it first")
    case (.remove, .created), (.remove, .exited): .proceed
    case (.remove, .running), (.remove, .restarting):
      .refuse(.inUse, reason: "runs", hint: "stop it first, or remove it with force (rm -f at the REPL)")
    case (.remove, .paused):
      .refuse(.inUse, reason: "is paused", hint: "stop it first, or remove it with force (rm -f at the REPL)")
    case (.kill, .created), (.kill, .exited), (.pause, .created), (.pause, .exited), (.pause, .restarting),
      (.unpause, .created), (.unpause, .exited), (.unpause, .restarting), (.exec, .created), (.exec, .exited),
      (.exec, .restarting):
      .refuse(.conflict, reason: "does not run", hint: nil)
    }
  }
}

extension ContainerRecord {
  /// Checks that a container's state allows a request.
  ///
  /// - Returns: false where nothing is left to do.
  /// - Throws: `conflict` or `inUse`, with what to do.
  @discardableResult
  func admit(_ request: ContainerLife.Request) throws(EngineError) -> Bool {
    switch ContainerLife(state: state).verdict(on: request) {
    case .proceed: return true
    case .done: return false
    case .refuse(let kind, let reason, let hint):
      throw EngineError(kind, "container \(name) \(reason)", subject: id, hint: hint, retriable: false)
    }
  }
}
