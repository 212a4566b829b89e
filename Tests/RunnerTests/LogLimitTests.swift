import EngineErrors
import Foundation
import LinuxSystem
import Runner
import SystemPackage
import Testing

@Suite("logs with a limit", .enabled(if: TestContainers.isPossible, "needs root"))
struct LogLimitTests {
  let containers: TestContainers
  init() throws { containers = try TestContainers() }

  private static let part = 65536
  private static let limit = LogLimit(fileBytes: UInt64(part), files: 3)

  /// The sizes of the parts, the present one first.
  private func parts(_ id: String) throws -> [Int64] {
    let names = try FileManager.default.contentsOfDirectory(atPath: containers.directory.string)
      .filter { $0.hasPrefix("\(id).log") }
    #expect(Set(names) == Set(names.indices.map { $0 == 0 ? "\(id).log" : "\(id).log.\($0)" }))
    return try names.indices.map {
      try fileSize($0 == 0 ? containers.log(id) : FilePath("\(containers.log(id).string).\($0)"))
    }
  }

  private func lines(_ id: String) async throws -> [Int] {
    let text = String(decoding: try await containers.output(id).stdout, as: UTF8.self)
    return text.split(separator: "\n").compactMap { Int($0) }
  }

  @Test func theOldestGoFirstAndPartsAreNoLongerThanTheLimit() async throws {
    try await containers.start("c", ["seq", "100001", "200000"], limit: Self.limit)
    _ = try await containers.runner.waitForExit("c")
    let sizes = try parts("c")
    #expect(sizes.count == 3 && sizes.allSatisfy { $0 <= Self.part }, "\(sizes)")
    var kept = try await lines("c")
    // The first line may be the end of one.
    if kept.first.map({ $0 < 100_001 }) ?? false { kept.removeFirst() }
    let first = try #require(kept.first)
    #expect(kept == Array(first...200_000) && kept.count > 10_000)
    let tail = try await text("c", .lastLines(12_000)).split(separator: "\n")
    #expect(tail.count == 12_000 && tail.last == "200000")
    #expect(try await text("c", .now) == "")
    // The next life goes on in the present part.
    try await containers.start("c", ["seq", "200001", "200100"], limit: Self.limit)
    _ = try await containers.runner.waitForExit("c")
    #expect(try await lines("c").suffix(101) == Array(200_000...200_100)[...])
  }

  @Test func onePartIsBegunAnew() async throws {
    try await containers.start(
      "c", ["seq", "100001", "150000"], limit: LogLimit(fileBytes: UInt64(Self.part), files: 1))
    _ = try await containers.runner.waitForExit("c")
    #expect(try parts("c").count == 1)
    #expect(try await lines("c").last == 150_000)
  }

  @Test func aFollowerThatKeepsUpLosesNothing() async throws {
    try await containers.start(
      "c", ["sh", "-c", "n=0; while read x; do seq $((n + 1)) $((n + 3000)); n=$((n + 3000)); done"],
      openStdin: true, limit: LogLimit(fileBytes: UInt64(Self.part), files: 2))
    let input = try await containers.runner.attachInput("c")
    var seen: [UInt8] = []
    var bursts = 0
    let reader = try await containers.runner.log("c", at: containers.log("c"), from: .beginning, follow: true)
    try await input.write([10])
    for try await record in reader {
      if case .lost = record.content { Issue.record("lost output") }
      seen += record.content.bytes
      guard seen.suffix(8).containsNumber(3000 * (bursts + 1)) else { continue }
      bursts += 1
      if bursts < 40 { try await input.write([10]) } else { try await input.end() }
    }
    let numbers = String(decoding: seen, as: UTF8.self).split(separator: "\n").compactMap { Int($0) }
    #expect(numbers == Array(1...120_000))
    #expect(try parts("c").count == 2)
  }

  @Test func aFollowerThatIsOvertakenIsToldSoAndGoesOn() async throws {
    try await containers.start(
      "c", ["sh", "-c", "echo first; read x; seq 100001 200000; read x; echo last"], openStdin: true,
      limit: Self.limit)
    let input = try await containers.runner.attachInput("c")
    var iterator = try await containers.runner.log(
      "c", at: containers.log("c"), from: .beginning, follow: true
    ).makeAsyncIterator()
    #expect(try await iterator.next()?.content == .stdout(Array("first\n".utf8)))
    try await input.write([10])
    try await containers.runner.waitForOutput("c", at: containers.log("c"), containing: "200000\n")
    try await input.write([10])
    var losses = 0
    var lost: UInt64 = 0
    var seen: [UInt8] = []
    while let record = try await iterator.next() {
      if case .lost(let bytes) = record.content {
        losses += 1
        lost += bytes
      }
      seen += record.content.bytes
    }
    let numbers = String(decoding: seen, as: UTF8.self).split(separator: "\n")
    #expect(losses == 1 && numbers.suffix(2) == ["200000", "last"])
    let written = 700_000
    #expect(lost > 0 && abs(Int(lost) + seen.count - 5 - written) < written / 10)
  }

  @Test func aPartThatWasNotMadeWholeDoesNoHarm() async throws {
    try await containers.start("c", ["seq", "100001", "120000"], limit: Self.limit)
    _ = try await containers.runner.waitForExit("c")
    // As if the shim had been killed between the two renames.
    let (present, previous) = (containers.log("c").string, "\(containers.log("c").string).1")
    try FileManager.default.removeItem(atPath: "\(present).2")
    try FileManager.default.moveItem(atPath: previous, toPath: "\(present).2")
    try FileManager.default.moveItem(atPath: present, toPath: previous)
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: "\(present).new"))
    #expect(try await lines("c").last == 120_000)
    #expect(try await text("c", .lastLines(1)) == "120000\n")
    try await containers.start("c", ["seq", "120001", "120010"], limit: Self.limit)
    _ = try await containers.runner.waitForExit("c")
    #expect(try await lines("c").suffix(11) == Array(120_000...120_010)[...])
  }

  @Test func timesChoose() async throws {
    try await containers.start(
      "c", ["sh", "-c", "echo one; read x; echo two; read x; echo three"], openStdin: true)
    let input = try await containers.runner.attachInput("c")
    var times: [UInt64] = []
    for try await record in try await containers.runner.log(
      "c", at: containers.log("c"), from: .beginning, follow: true)
    {
      times.append(record.time)
      if times.count < 3 { try await input.write([10]) }
    }
    try #require(times.count == 3)
    #expect(try await text("c", .beginning, .init(since: times[1])) == "two\nthree\n")
    #expect(try await text("c", .beginning, .init(until: times[1])) == "one\n")
    #expect(try await text("c", .beginning, .init(since: times[1], until: times[2])) == "two\n")
    #expect(try await text("c", .lastLines(1), .init(until: times[2])) == "two\n")
  }

  @Test func followingEndsWithTheTime() async throws {
    try await containers.start("c", ["sh", "-c", "echo one; exec sleep 1000"])
    try await containers.runner.waitForOutput("c", at: containers.log("c"), containing: "one")
    let soon = UInt64(Timestamp.now) + 200_000_000
    #expect(try await text("c", .beginning, .init(until: soon), follow: true) == "one\n")
    #expect(UInt64(Timestamp.now) >= soon)
    try containers.runner.signal("c", SIGKILL)
    _ = try await containers.runner.waitForExit("c")
  }

  private func text(
    _ id: String, _ start: LogReader.Start, _ times: LogTimes = LogTimes(), follow: Bool = false
  ) async throws -> String {
    var bytes: [UInt8] = []
    for try await record in try await containers.runner.log(
      id, at: containers.log(id), from: start, times: times, follow: follow)
    {
      bytes += record.content.bytes
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension Collection<UInt8> {
  /// Whether the last line is this number.
  fileprivate func containsNumber(_ number: Int) -> Bool {
    String(decoding: self, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).suffix(2)
      == ["\(number)", ""]
  }
}
