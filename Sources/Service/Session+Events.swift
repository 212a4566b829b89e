import Engine
import EngineErrors
import Metadata
import RPCModel
import RPCTransport

extension Session {
  func eventSubscribe(_ params: EventSubscribe.Params, _ context: RequestContext) async throws
    -> EventSubscribe.Result
  {
    let start: Metadata.Cursor
    if let after = params.after {
      start = try Metadata.Cursor(after)
    } else {
      start = try engine.metadata.end()
    }
    let filter = EventFilter(kinds: params.kinds, subjects: params.subjects.map(Set.init))
    let name = state.withLock { state in
      defer { state.nextSubscription += 1 }
      return "e\(state.nextSubscription)"
    }
    // The answer names the subscription, so it comes before the first event.
    let answered = context.answered
    let task = Task { [self] in
      do {
        try await answered.wait()
        for try await record in engine.metadata.follow(after: start) where filter.takes(record.event) {
          guard await channel.sendPaced(NotificationMessage(EventOccurredNotification(record, name))) else {
            return
          }
        }
      } catch {
        let error = EngineError("read the journal", wrapping: error)
        if error.kind == .cancelled { return }
        notify(EventEndedNotification(subscription: name, error: ErrorData(error, message: error.message)))
      }
    }
    state.withLock { $0.subscriptions[name] = task }
    return EventSubscribe.Result(subscription: name, cursor: start.description)
  }

  func eventUnsubscribe(_ params: EventUnsubscribe.Params, _ context: RequestContext) async throws
    -> EventUnsubscribe.Result
  {
    guard let task = state.withLock({ $0.subscriptions.removeValue(forKey: params.subscription) }) else {
      throw EngineError(
        .notFound, "there is no subscription \(params.subscription)", subject: params.subscription,
        hint: "give the name that event/subscribe has answered with in this session")
    }
    task.cancel()
    await task.value
    return EventUnsubscribe.Result()
  }
}

/// Which events a subscription is for.
struct EventFilter: Sendable {
  var kinds: [String]?
  var subjects: Set<String>?

  func takes(_ event: JournalEvent) -> Bool {
    // Whoever missed something has to know, whatever it asked for.
    if event.kind == JournalRecord.gapKind { return true }
    let fitsKind = kinds?.contains { $0.hasSuffix(".") ? event.kind.hasPrefix($0) : event.kind == $0 } ?? true
    return fitsKind && subjects?.contains(event.subject) ?? true
  }
}

extension EventOccurredNotification {
  init(_ record: JournalRecord, _ subscription: String) {
    self.init(
      subscription: subscription, cursor: record.cursor.description, time: WireTime.text(record.time),
      kind: record.event.kind, subject: record.event.subject,
      attributes: Dictionary(
        uniqueKeysWithValues: record.event.attributes.map { name, value in
          switch value {
          case .string(let text): (name, .string(text))
          case .integer(let time) where name == "exitedAt" || name == "restartsAt":
            (name, .string(WireTime.text(time)))
          case .integer(let number): (name, .integer(Int(number)))
          case .boolean(let flag): (name, .boolean(flag))
          }
        }))
  }
}
