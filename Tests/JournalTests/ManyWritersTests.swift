import EngineErrors
import Foundation
import LinuxSystem
import SystemPackage
import Testing

@testable import Journal

@Suite struct ManyWritersTests {
  /// flock(2) locks belong to an open file, so each `Journal` stands for a process.
  @Test func followsTenThousandEventsOfFourWritersInOrder() async throws {
    try await withJournalDirectory { path in
      let limits = JournalLimits(segmentSize: 100_000, totalSize: 64 << 20, segmentCount: 256)
      async let followed = {
        var records: [JournalRecord] = []
        for try await record in try Journal(directory: path, limits: limits).follow(after: .start) {
          records.append(record)
          if records.count == 10_000 { break }
        }
        return records
      }()
      try await withThrowingTaskGroup { group in
        for writer in 0..<4 {
          group.addTask {
            try await onBlockingThread("writer") {
              let journal = try Journal(directory: path, limits: limits)
              for number in 0..<2500 { try journal.append(event(number, writer: writer)) }
            }
          }
        }
        try await group.waitForAll()
      }
      let records = try await followed
      #expect(records == (try Journal(directory: path).readAll()))
      #expect(records.map(\.cursor) == records.map(\.cursor).sorted())
      for writer in 0..<4 {
        let own = records.filter { $0.event.subject == "writer-\(writer)" }
        #expect(own.compactMap(\.number) == Array(0..<2500))
      }
    }
  }

  @Test func threadsShareOneJournal() async throws {
    try await withJournalDirectory { path in
      let journal = try Journal(directory: path, limits: .tiny)
      try await withThrowingTaskGroup { group in
        for writer in 0..<8 {
          group.addTask {
            try await onBlockingThread("writer") {
              for number in 0..<50 { try journal.append(event(number, writer: writer)) }
            }
          }
        }
        try await group.waitForAll()
      }
      let records = try journal.readAll()
      #expect(records.count == 400)
      #expect(try journal.end == records.last?.cursor)
      for writer in 0..<8 {
        #expect(
          records.filter { $0.event.subject == "writer-\(writer)" }.compactMap(\.number) == Array(0..<50))
      }
    }
  }

  @Test func eventsOutliveAProcessThatIsKilled() async throws {
    try await withJournalDirectory { path in
      let text = path.string
      await #expect(processExitsWith: .signal(SIGKILL)) { [text = text as String] in
        let journal = try Journal(directory: FilePath(text), limits: .tiny)
        for number in 0..<100 { try journal.append(event(number)) }
        kill(getpid(), SIGKILL)
      }
      let journal = try Journal(directory: path, limits: .tiny)
      try journal.append(event(100))
      #expect(try journal.readAll().compactMap(\.number) == Array(0...100))
    }
  }

  @Test func processesAppendSideBySide() async throws {
    try await withJournalDirectory { path in
      let text = path.string
      await withTaskGroup { group in
        for writer in 0..<3 {
          group.addTask {
            await #expect(processExitsWith: .success) { [text = text as String, writer = writer as Int] in
              let journal = try Journal(directory: FilePath(text), limits: .tiny)
              for number in 0..<300 { try journal.append(event(number, writer: writer)) }
            }
          }
        }
      }
      let records = try Journal(directory: path, limits: .tiny).readAll()
      for writer in 0..<3 {
        #expect(
          records.filter { $0.event.subject == "writer-\(writer)" }.compactMap(\.number) == Array(0..<300))
      }
    }
  }
}
