import Foundation
import RPCModel
import Synchronization

/// Shows events: in the margin as they come, or as the `events` command's output.
final class EventDisplay: Sendable {
  private struct State {
    var margin: String?
    var wakePrompt: (@Sendable (String) -> Void)?
    var followed: (last: Cursor?, finish: @Sendable (_ status: Int32) -> Void)?
  }
  private let terminal: Terminal
  private let state = Mutex(State())

  init(_ terminal: Terminal) { self.terminal = terminal }

  /// While a line is being edited, margin lines go through the editor, which puts them above it.
  func setPrompt(_ wake: (@Sendable (String) -> Void)?) { state.withLock { $0.wakePrompt = wake } }

  /// Calls `finish` with 0 once the event with this cursor was shown, other than in the margin, and with 1 where no more come
  /// before.
  ///
  /// - Parameter last: nil for events without end.
  func follow(to last: Cursor?, _ finish: @escaping @Sendable (_ status: Int32) -> Void) {
    state.withLock { $0.followed = (last, finish) }
  }

  func stopFollowing() { state.withLock { $0.followed = nil } }

  /// No more events of a subscription come. On the reading thread.
  func end(_ ended: EventEndedNotification) {
    terminal.print(
      error: RPCError(code: ErrorCode.requestFailed, message: "the events end here", data: ended.error))
    let followed = state.withLock { state in
      if state.margin == ended.subscription {
        state.margin = nil
        return nil as (@Sendable (Int32) -> Void)?
      }
      return state.followed?.finish
    }
    followed?(1)
  }

  /// The service has ended: nothing comes any more.
  func end() { state.withLock { $0.followed?.finish }?(1) }

  func showInMargin(_ shows: Bool, _ session: REPLSession) async throws {
    let current = state.withLock { $0.margin }
    if shows, current == nil {
      let answer = try await session.request(EventSubscribe.self, .init())
      state.withLock { $0.margin = answer.subscription }
    } else if !shows, let current {
      _ = try await session.request(EventUnsubscribe.self, .init(subscription: current))
      state.withLock { $0.margin = nil }
    }
  }

  /// On the reading thread.
  func show(_ event: EventOccurredNotification) {
    defer {
      // The margin's own subscription may be ahead.
      let followed = state.withLock { $0.margin == event.subscription ? nil : $0.followed }
      if let followed, followed.last == event.cursor { followed.finish(0) }
    }
    if terminal.isJSON { return terminal.printJSON(event) }
    let (isMargin, wake) = state.withLock { ($0.margin == event.subscription, $0.wakePrompt) }
    let line = self.line(event)
    if !isMargin {
      terminal.print(line)
    } else if let wake {
      wake(terminal.output.dim("│ " + line))
    } else {
      terminal.note(terminal.notes.dim("│ " + line))
    }
  }

  private func line(_ event: EventOccurredNotification) -> String {
    var attributes = event.attributes
    let name =
      attributes.removeValue(forKey: "name").map(\.description)
      ?? attributes.removeValue(forKey: "reference").map(\.description)
    attributes["exitedAt"] = nil
    let rest = attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let subject = ShortID(event.subject).text
    return ([TimeOfDay(event.time).text, event.kind.padded(to: 19), name ?? subject] + rest).joined(
      separator: "  ")
  }
}
