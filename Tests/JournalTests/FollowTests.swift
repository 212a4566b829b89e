import EngineErrors
import SystemPackage
import Testing

@testable import Journal

@Suite(.timeLimit(.minutes(1))) struct FollowTests {
  @Test func historyThenLive() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path)
      for number in 0..<3 { try journal.append(event(number)) }
      var records = journal.follow(after: nil).makeAsyncIterator()
      for number in 0..<3 { #expect(try await records.next()?.number == number) }
      // Each of these is appended by another process's journal, after the follower has caught up.
      let other = try Journal(directory: path, limits: .tiny)
      for number in 3..<60 {
        try other.append(event(number))
        #expect(try await records.next()?.number == number)
      }
    }
  }

  @Test func wakesAFollowerThatWaits() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path)
      let (waiting, isWaiting) = AsyncStream.makeStream(of: Void.self)
      let follower = Task {
        var records = journal.follow(after: .start).makeAsyncIterator()
        _ = try await records.next()
        isWaiting.yield()
        return try await records.next()?.number
      }
      try journal.append(event(1))
      for await _ in waiting { break }
      try Journal(directory: path).append(event(2))
      #expect(try await follower.value == 2)
    }
  }

  @Test func eachFollowerHasItsOwnPlace() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path)
      let cursors = try (0..<5).map { try journal.append(event($0)) }
      let follow = journal.follow(after: cursors[2])
      for _ in 0..<2 {
        var records = follow.makeAsyncIterator()
        #expect(try await records.next()?.number == 3)
        #expect(try await records.next()?.number == 4)
      }
      var live = journal.follow(after: try journal.end).makeAsyncIterator()
      try journal.append(event(5))
      #expect(try await live.next()?.number == 5)
    }
  }

  @Test func aStalledFollowerHoldsNoSegment() async throws {
    try await withJournalDirectory { path in
      let limits = JournalLimits(segmentSize: 4096, totalSize: 16_384, segmentCount: 256)
      let journal = try Journal(directory: path, limits: limits)
      try journal.append(event(0))
      var records = journal.follow(after: nil).makeAsyncIterator()
      #expect(try await records.next()?.number == 0)
      for number in 1..<2000 { try journal.append(event(number)) }
      #expect(try await records.next()?.isGap == true)
      var numbers: [Int] = []
      while let number = try await records.next()?.number {
        numbers.append(number)
        if number == 1999 { break }
      }
      #expect(numbers.count < 600)
      #expect(numbers == Array((2000 - numbers.count)..<2000))
    }
  }

  @Test func aCancelledFollowerEnds() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path)
      try journal.append(event(0))
      let (started, hasStarted) = AsyncStream.makeStream(of: Void.self)
      let follower = Task {
        var count = 0
        for try await _ in journal.follow(after: nil) {
          count += 1
          hasStarted.yield()
        }
        return count
      }
      for await _ in started { break }
      follower.cancel()
      #expect(try await follower.value == 1)
    }
  }

  @Test func changesAreCoalesced() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path)
      var changes = try journal.changes().makeAsyncIterator()
      for number in 0..<1000 { try journal.append(event(number)) }
      #expect(await changes.next() != nil)
      #expect(try journal.readAll().count == 1000)
    }
  }

  @Test func changesEndWithTheJournal() async throws {
    try await withJournalDirectory { path in
      var journal: Journal? = try Journal(directory: path)
      let changes = try #require(try journal?.changes())
      journal = nil
      for await _ in changes {}
    }
  }
}
