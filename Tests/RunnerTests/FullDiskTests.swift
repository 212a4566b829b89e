import Foundation
import LinuxSystem
import Runner
import SystemPackage
import Testing

@Suite("log on a full disk", .enabled(if: TestContainers.isPossible, "needs root"))
struct FullDiskTests {
  @Test func outputIsDroppedAndCountedAndTheContainerGoesOn() async throws {
    let containers = try TestContainers()
    let disk = containers.directory.appending("disk").string
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    #expect(mount("tmpfs", disk, "tmpfs", 0, "size=512k") == 0)
    defer { umount2(disk, CInt(MNT_DETACH)) }
    let filler = disk + "/filler"
    try Data(count: 256 * 1024).write(to: URL(fileURLWithPath: filler))
    let signal = containers.directory.appending("c/upper/tmp/written").string
    let plan = try containers.plan(
      "c",
      ["sh", "-c", "dd if=/dev/zero bs=65536 count=16 2>/dev/null; echo x >/tmp/written; read x; echo after"])
    try FileManager.default.createDirectory(
      atPath: containers.directory.appending("c/upper/tmp").string, withIntermediateDirectories: true)
    #expect(mkfifo(signal, 0o600) == 0)

    let log = FilePath(disk).appending("log")
    _ = try await containers.runner.start("c", plan, log: log, openStdin: true)
    try await onBlockingThread("fifo") { try FileDescriptor.open(signal, .readOnly).close() }
    try FileManager.default.removeItem(atPath: filler)
    let input = try containers.runner.attachInput("c")
    try await input.write(Array("go\n".utf8))
    let end = try await containers.runner.waitForExit("c")
    #expect(end.exitCode == 0)
    #expect(end.lostOutput > 0)

    var kept: [UInt8] = []
    var lost: UInt64 = 0
    for try await record in try containers.runner.log("c", at: log, from: .beginning, follow: false) {
      if case .lost(let bytes) = record.content { lost += bytes }
      kept += record.content.bytes
    }
    #expect(lost == end.lostOutput)
    #expect(kept.count + Int(lost) == 16 * 65536 + "after\n".utf8.count)
    #expect(String(decoding: kept.suffix(6), as: UTF8.self) == "after\n")
  }
}
