package import EngineErrors
import LinuxSystem
import SystemPackage

/// A container's output as a sequence: what is in the log, and then, if it follows, what comes, up to the container's end.
///
/// It reads the log and nothing else, so a slow consumer holds up neither the container nor any other reader. One that is
/// so slow that a part goes which it has not come to is told of a loss.
package struct LogReader: AsyncSequence, Sendable {
  package typealias Element = LogRecord

  package enum Start: Hashable, Sendable {
    case beginning
    /// What is written from now on.
    case now
    /// So many lines of output, counted over both streams as they came.
    case lastLines(Int)
  }

  /// Where to begin, as a reader needs it.
  enum Place: Sendable {
    /// Of a record in the whole log, with all parts that ever were.
    case position(Int64)
    case lastLines(Int)
  }

  let path: FilePath
  let start: Place
  let times: LogTimes
  /// The life that is followed; nil for the log as it is.
  let end: LifeEnd?

  package func makeAsyncIterator() -> Iterator { Iterator(self) }

  package struct Iterator: AsyncIteratorProtocol {
    private let reader: LogReader
    private var cursor: LogCursor?

    init(_ reader: LogReader) { self.reader = reader }

    /// - Throws: `EngineError`: `corrupt` for a damaged log, `cancelled` as soon as the task is cancelled.
    package mutating func next() async throws -> LogRecord? {
      try await next(isolation: nil)
    }

    package mutating func next(isolation actor: isolated (any Actor)?) async throws(EngineError) -> LogRecord?
    {
      do {
        if let cursor { return try await cursor.next(isolation: actor) }
        let first = try await LogCursor(reader, isolation: actor)
        cursor = first
        return try await first.next(isolation: actor)
      } catch {
        throw EngineError("read log \(reader.path)", wrapping: error)
      }
    }
  }
}
