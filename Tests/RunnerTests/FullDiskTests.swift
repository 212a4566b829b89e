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
    // In a bound directory: beneath an overlay a FIFO is another one than in its upper directory.
    let shared = containers.directory.appending("shared")
    try FileManager.default.createDirectory(atPath: shared.string, withIntermediateDirectories: true)
    let signal = shared.appending("written").string
    #expect(mkfifo(signal, 0o600) == 0)
    let script = "dd if=/dev/zero bs=65536 count=16 2>/dev/null; echo x >/shared/written; read x; echo after"
    let plan = try containers.plan("c", ["sh", "-c", script]) {
      $0.mounts = [.bind(source: shared, target: "/shared", recursive: false, attributes: [])]
    }

    let log = FilePath(disk).appending("log")
    _ = try await containers.runner.start("c", plan, log: log, openStdin: true)
    try await onBlockingThread("fifo") {
      let fifo = try FileDescriptor.open(signal, .readOnly)
      defer { try? fifo.close() }
      var byte: UInt8 = 0
      _ = try withUnsafeMutableBytes(of: &byte) { try fifo.read(into: $0) }
    }
    try FileManager.default.removeItem(atPath: filler)
    let input = try await containers.runner.attachInput("c")
    try await input.write(Array("go\n".utf8))
    let end = try await containers.runner.waitForExit("c")
    #expect(end.exitCode == 0)
    #expect(end.lostOutput > 0)

    var kept: [UInt8] = []
    var lost: UInt64 = 0
    for try await record in try await containers.runner.log("c", at: log, from: .beginning, follow: false) {
      if case .lost(let bytes) = record.content { lost += bytes }
      kept += record.content.bytes
    }
    #expect(lost == end.lostOutput)
    #expect(kept.count + Int(lost) == 16 * 65536 + "after\n".utf8.count)
    #expect(String(decoding: kept.suffix(6), as: UTF8.self) == "after\n")
  }
}
