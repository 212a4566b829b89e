internal import EngineErrors

extension MetadataStore {
  /// All events after `cursor`, then all that come, from any service, with no hole between.
  ///
  /// It is pulled: a follower that does not ask for more holds its position and one page of records. The sequence
  /// ends when its task is cancelled, and throws when reading or watching fails.
  package func follow(after cursor: Cursor) -> JournalFollow { JournalFollow(store: self, cursor: cursor) }
}

/// The events of `MetadataStore.follow`; each iterator starts anew at the cursor.
package struct JournalFollow: AsyncSequence, Sendable {
  let store: MetadataStore
  let cursor: Cursor

  package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(store: store, cursor: cursor) }

  package struct AsyncIterator: AsyncIteratorProtocol {
    private static let page = 256

    private let store: MetadataStore
    private var cursor: Cursor
    private var records: ArraySlice<JournalRecord> = []
    private var changes: AsyncStream<Bell.News>.Iterator?
    private var isAtEnd = false

    init(store: MetadataStore, cursor: Cursor) {
      self.store = store
      self.cursor = cursor
    }

    package mutating func next() async throws -> JournalRecord? {
      while true {
        if let record = records.popFirst() {
          cursor = record.cursor
          return record
        }
        if Task.isCancelled { return nil }
        // Subscribed before the first read: what is committed after a read that finds nothing wakes it.
        if changes == nil { changes = try store.bell.listen().makeAsyncIterator() }
        // A page that was not full ended with the journal: there is nothing to read before the bell rings again.
        if isAtEnd {
          switch await changes?.next() {
          case .committed(let news)?:
            let unseen = news.drop { $0.cursor.number <= cursor.number }
            if unseen.isEmpty { continue }
            // Numbers have no holes: with the next one, these are all there is.
            if unseen.first?.cursor.number == cursor.number + 1 {
              records = unseen
              continue
            }
          case .more?: break
          case nil:
            if Task.isCancelled { return nil }
            throw EngineError(
              .internal, "cannot follow the journal: its directory can no longer be watched",
              hint: "subscribe again with the last event's cursor", retriable: true)
          }
        }
        records = try store.events(after: cursor, limit: Self.page)[...]
        isAtEnd = records.count < Self.page
      }
    }
  }
}
