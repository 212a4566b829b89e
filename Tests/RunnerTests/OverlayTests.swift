import EngineErrors
import Foundation
import SystemPackage
import Testing

@testable import Runner

@Suite("overlay roots", .enabled(if: TestContainers.isPossible, "needs root"))
struct OverlayTests {
  let containers: TestContainers
  init() throws { containers = try TestContainers() }

  /// Layers above the root file system, each with a file `etc/NUMBER`, top first.
  private func layers(_ count: Int, named name: String) throws -> [FilePath] {
    var lowers = [containers.rootfs]
    for index in 0..<count {
      let layer = containers.directory.appending("\(name)\(index)")
      try FileManager.default.createDirectory(
        atPath: layer.appending("etc").string, withIntermediateDirectories: true)
      try Data("\(index)".utf8).write(to: URL(fileURLWithPath: layer.appending("etc/top").string))
      try Data().write(to: URL(fileURLWithPath: layer.appending("etc/l\(index)").string))
      lowers.insert(layer, at: 0)
    }
    return lowers
  }

  private func run(oldKernel: Bool, _ lowers: [FilePath]) async throws -> String {
    var plan = try containers.plan("c", ["sh", "-c", "cat /etc/top; ls /etc | wc -l; pwd"])
    plan.operations[1] = .mountOverlayRoot(
      lowers: lowers, upper: containers.directory.appending("c/upper"),
      work: containers.directory.appending("c/work"), userXattrs: TestPlan.isRootless)
    var runner = containers.runner
    runner.usesOldOverlay = oldKernel
    _ = try await runner.start("c", plan, log: containers.log("c"), openStdin: false)
    #expect(try await runner.waitForExit("c").exitCode == 0)
    return String(decoding: try await containers.output("c").stdout, as: UTF8.self)
  }

  @Test(arguments: [false, true]) func manyLayers(oldKernel: Bool) async throws {
    #expect(
      try await run(oldKernel: oldKernel, try layers(60, named: "layer"))
        == "59\n62\n/\n".replacing("59\n", with: "59"))
  }

  @Test(arguments: [false, true]) func awkwardNames(oldKernel: Bool) async throws {
    // fsconfig's 255 bytes, and mount's separators.
    let name = String(repeating: "x", count: 200) + "/a:b,c\\d=" + String(repeating: "y", count: 100) + "/l"
    #expect(try await run(oldKernel: oldKernel, try layers(2, named: name)) == "14\n/\n")
  }

  @Test func missingLayerIsNamed() async throws {
    let error = await #expect(throws: EngineError.self) {
      _ = try await run(oldKernel: false, [containers.directory.appending("absent"), containers.rootfs])
    }
    #expect(error?.message.contains("overlay root") == true)
    #expect(error?.kind == .notFound)
  }
}
