import EngineErrors
import Foundation
import SystemPackage
import Testing

@testable import Journal

@Suite struct RetentionTests {
  @Test func dropsTheOldestSegmentsAndTellsOnce() async throws {
    try await withJournalDirectory { path in
      let limits = JournalLimits(segmentSize: 512, totalSize: 2048, segmentCount: 256)
      let journal = try Journal(directory: path, limits: limits)
      let cursors = try (0..<200).map { try journal.append(event($0)) }
      #expect(try journal.segmentPaths.count <= 5)
      let kept = try journal.readAll()
      let oldest = try #require(kept.first?.number)
      #expect(kept.compactMap(\.number) == Array(oldest..<200))

      let batch = try journal.read(after: cursors[3], limit: 1)
      #expect(batch.gap)
      #expect(batch.records.first?.number == oldest)
      #expect(try !journal.read(after: batch.start, limit: 1).gap)
      #expect(try journal.read(after: .start, limit: 1).gap)
      // Who stands right before the oldest event has missed nothing.
      let exact = try journal.read(after: cursors[oldest - 1], limit: 1)
      #expect(!exact.gap)
      #expect(exact.records.first?.number == oldest)

      var followed: [JournalRecord] = []
      for try await record in journal.follow(after: cursors[3]) {
        followed.append(record)
        if record.number == 199 { break }
      }
      #expect(followed.filter(\.isGap).count == 1)
      #expect(followed.first?.isGap == true)
      #expect(followed.first?.event.attributes["after"] == .string(cursors[3].description))
      #expect(followed.compactMap(\.number) == Array(oldest..<200))
    }
  }

  @Test func boundsTheNumberOfSegments() async throws {
    try await withJournalDirectory { path in
      let limits = JournalLimits(segmentSize: 200, totalSize: 1 << 20, segmentCount: 3)
      let journal = try Journal(directory: path, limits: limits)
      for number in 0..<50 { try journal.append(event(number)) }
      #expect(try journal.segmentPaths.count == 3)
    }
  }

  @Test func readsOnWhileSegmentsAreDroppedUnderIt() async throws {
    try await withJournalDirectory { path in
      let limits = JournalLimits(segmentSize: 512, totalSize: 1500, segmentCount: 256)
      let journal = try Journal(directory: path, limits: limits)
      for number in 0..<20 { try journal.append(event(number)) }
      var reader = JournalReader(journal.directory, after: nil)
      let first = try #require(try reader.next(limit: 1).records.first?.number)
      for number in 20..<200 { try journal.append(event(number)) }
      let batch = try reader.next(limit: 1)
      #expect(batch.gap)
      #expect(try #require(batch.records.first?.number) > first + 1)
    }
  }

  @Test(.enabled(if: geteuid() == 0, "mounts a tmpfs"))
  func aFullDiskTakesNoHalfEvents() async throws {
    try await withJournalDirectory { path in
      let parent = path.removingLastComponent()
      try #require(mount("tmpfs", parent.string, "tmpfs", 0, "size=64k") == 0)
      defer { umount2(parent.string, Int32(MNT_DETACH)) }
      let journal = try Journal(directory: path)
      var count = 0
      let error = #expect(throws: EngineError.self) {
        while true {
          try journal.append(event(count))
          count += 1
        }
      }
      #expect(error?.kind == .noSpace)
      #expect(error?.hint != nil)
      #expect(count > 500)
      #expect(try Journal(directory: path).readAll().count == count)
      try #require(mount("tmpfs", parent.string, "tmpfs", UInt(MS_REMOUNT), "size=256k") == 0)
      try journal.append(event(count))
      #expect(try Journal(directory: path).readAll().compactMap(\.number) == Array(0...count))
    }
  }
}

func remove(_ path: FilePath) throws {
  try FileManager.default.removeItem(atPath: path.string)
}
