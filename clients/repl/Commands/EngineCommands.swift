import ArgumentParser
import RPCModel

struct Events: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what happened.",
    discussion: """
      Without arguments, all events so far. `events on` shows them in the margin as they come, `events off` ends \
      that, and --follow shows those that come until Ctrl-C.
      """)
  static var completesInOrder: [[NameKind]]? { [[.words(["on", "off"])]] }
  @Argument(help: "on or off") var margin: Margin?
  @Option(help: "Only what came after this cursor.") var since: String?
  @Flag(name: .shortAndLong, help: "Go on with those that come.") var follow = false

  enum Margin: String, ExpressibleByArgument, CaseIterable {
    case on, off
  }

  func run(_ session: REPLSession) async throws -> Int32 {
    if let margin {
      try await session.events.showInMargin(margin == .on, session)
      return 0
    }
    let end = try await session.request(SystemInfo.self, .init()).cursor
    let history = since ?? Self.beginning
    if !follow, Self.isAtEnd(history, end) { return 0 }
    let (finished, finish) = AsyncStream.makeStream(of: Int32.self)
    session.events.follow(to: follow ? nil : end) { finish.yield($0) }
    defer { session.events.stopFollowing() }
    let subscription = try await session.request(EventSubscribe.self, .init(after: history)).subscription
    let status = await session.interrupts.handle {
      finish.yield(0)
    } during: {
      var results = finished.makeAsyncIterator()
      return await results.next() ?? 1
    }
    // Where the service has ended, this says so; of a subscription that has ended it was said why.
    if status == 0 || session.connection.isClosed {
      _ = try await session.request(EventUnsubscribe.self, .init(subscription: subscription))
    }
    return status
  }

  /// Whether nothing has come after a cursor. What is no cursor is the service's to refuse.
  private static func isAtEnd(_ cursor: Cursor, _ end: Cursor) -> Bool {
    func parts(_ cursor: Cursor) -> [Int64] { cursor.split(separator: "-").compactMap { Int64($0) } }
    let (from, to) = (parts(cursor), parts(end))
    guard from.count == 2, to.count == 2, cursor.wholeMatch(of: #/[0-9]+-[0-9]+/#) != nil else {
      return false
    }
    return !from.lexicographicallyPrecedes(to)
  }

  /// Before the first event.
  private static let beginning = "0-0"
}

struct Info: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Show where the store is and what is in it.")

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(SystemInfo.self, .init())
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    var fields = FieldList()
    fields.add("version", "\(answer.version), protocol \(answer.protocolVersion)")
    fields.add("platform", "\(answer.platform), kernel \(answer.kernel)")
    fields.add("privilege", answer.isRootless ? "an ordinary user's namespace" : "root")
    fields.add("store", answer.storeDirectory)
    fields.add("run", answer.runDirectory)
    fields.add("images", "\(answer.images)")
    fields.add("containers", "\(answer.containers), \(answer.runningContainers) running")
    fields.add("events", "up to \(answer.cursor)")
    fields.lines(session.terminal).forEach(session.terminal.print)
    return 0
  }
}

struct Ping: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Ask for a sign of life.")

  func run(_ session: REPLSession) async throws -> Int32 {
    let start = ContinuousClock.now
    let answer = try await session.request(SystemPing.self, .init())
    let time = ContinuousClock.now - start
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    session.terminal.print(
      "the service answers in \(time.formatted(.units(allowed: [.milliseconds], fractionalPart: .show(length: 1))))"
    )
    return 0
  }
}

struct Clear: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Empty the screen, as Ctrl-L does.")

  func run(_ session: REPLSession) async throws -> Int32 {
    session.terminal.clear()
    return 0
  }
}
