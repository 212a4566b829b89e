import EngineErrors
import Foundation
import SystemPackage
import Testing

@testable import Journal

/// Runs `body` with a path for a journal that is removed afterwards.
func withJournalDirectory<Result>(
  isolation: isolated (any Actor)? = #isolation, _ body: (FilePath) async throws -> Result
) async throws -> Result {
  let parent = FileManager.default.temporaryDirectory.appendingPathComponent("journal-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: parent) }
  return try await body(FilePath(parent.path).appending("journal"))
}

extension JournalLimits {
  /// A handful of events in each segment.
  static let tiny = JournalLimits(segmentSize: 512, totalSize: 1 << 20, segmentCount: 256)
}

func event(_ number: Int, writer: Int = 0) -> JournalEvent {
  JournalEvent(
    kind: "test.counted", subject: "writer-\(writer)", attributes: ["number": .integer(Int64(number))],
    time: Int64(number))
}

extension JournalRecord {
  var number: Int? {
    if case .integer(let number)? = event.attributes["number"] { Int(number) } else { nil }
  }
}

extension Journal {
  func readAll(after cursor: Cursor? = nil) throws -> [JournalRecord] {
    var all: [JournalRecord] = []
    var cursor = cursor
    while true {
      let batch = try read(after: cursor, limit: 100)
      if batch.records.isEmpty { return all }
      all += batch.records
      cursor = batch.next
    }
  }

  /// The files of its segments, in order.
  var segmentPaths: [FilePath] {
    get throws { try Segment.list(directory).map { directory.path.appending(Segment.name(base: $0)) } }
  }
}

func contents(_ path: FilePath) throws -> [UInt8] {
  try Array(Data(contentsOf: URL(fileURLWithPath: path.string)))
}

/// Writes in place, so that open descriptors and watches see it.
func overwrite(_ path: FilePath, with bytes: [UInt8]) throws {
  let file = try FileDescriptor.open(path, .writeOnly, options: .truncate)
  defer { try? file.close() }
  _ = try file.writeAll(bytes)
}
