import ContentStore
import Dockerfile
import EngineErrors
import Foundation
import Layers
import LinuxSystem
import OCIModel
import Registry
import SystemPackage

@testable import Engine

/// Feeds mutations of good inputs to what reads hostile ones, for a bounded time.
///
///   fuzz archive|load|manifest|dockerfile SECONDS SEED SCRATCH GOOD-FILE...
///
/// The same SEED gives the same inputs. The one under way is in SCRATCH/input: after a trap it is what trapped, and one that
/// takes longer than `patience` ends the run by SIGALRM. An error that is no `EngineError`, or is the engine's own fault, and a
/// file outside of the tree end the run with status 1 and leave it there too.
@main
struct Fuzz {
  /// For one input, in seconds.
  private static let patience: UInt32 = 60

  static func main() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    guard arguments.count > 4, let kind = Kind(rawValue: arguments[0]), let seconds = Double(arguments[1]),
      let seed = UInt64(arguments[2])
    else {
      FileHandle.standardError.write(
        Data("usage: fuzz archive|load|manifest|dockerfile SECONDS SEED SCRATCH GOOD-FILE...\n".utf8))
      exit(2)
    }
    let scratch = arguments[3]
    let good = try arguments[4...].map { [UInt8](try Data(contentsOf: URL(filePath: $0))) }
    let end = Date().addingTimeInterval(seconds)
    var (runs, refused) = (0, 0)
    var mutation = Mutation(good, seed: seed)
    while Date() < end {
      let input = mutation.next()
      try Data(input).write(to: URL(filePath: scratch + "/input"))
      alarm(patience)
      do {
        switch kind {
        case .archive: try unpack(input, scratch)
        case .load: try load(input, scratch)
        case .manifest: try parse(input)
        case .dockerfile: try build(input)
        }
      } catch let error as EngineError where error.kind != .internal {
        refused += 1
      } catch {
        print("\(scratch)/input: \(error)")
        exit(1)
      }
      alarm(0)
      runs += 1
    }
    print("\(kind.rawValue): \(runs) inputs of seed \(seed), \(refused) of them refused, none did harm")
  }

  private enum Kind: String {
    case archive, load, manifest, dockerfile
  }

  /// Runs `body` with an empty directory, and looks for what it has left beside that.
  private static func inside(_ scratch: String, _ body: (FilePath) throws -> Void) throws {
    let tree = FilePath(scratch + "/outer/tree")
    try removeTree(FilePath(scratch + "/outer"))
    try makeDirectories(tree, mode: 0o755)
    let outcome = Result { try body(tree) }
    guard try FileManager.default.contentsOfDirectory(atPath: scratch + "/outer") == ["tree"] else {
      throw EngineError(.internal, "something was written outside of the tree")
    }
    try outcome.get()
  }

  private static func unpack(_ input: [UInt8], _ scratch: String) throws {
    try inside(scratch) { tree in
      var options = UnpackOptions(overlayXattrs: geteuid() == 0 ? .trusted : .user)
      options.limits.bytes = 64 << 20
      let unpacker = try LayerUnpacker(into: tree, options: options)
      defer { unpacker.cancel() }
      try input.withUnsafeBytes { try unpacker.write($0) }
      _ = try unpacker.finish()
    }
  }

  /// As an archive of images, up to the plan of what would be unpacked of it.
  private static func load(_ input: [UInt8], _ scratch: String) throws {
    try inside(scratch) { tree in
      let content = try ContentStore(root: tree)
      let intake = ArchiveIntake(content)
      var limits = UnpackLimits()
      limits.bytes = 64 << 20
      try ArchiveWalk(limits: limits).run(
        { take in try input.withUnsafeBytes { try take($0) } }, visit: intake.take)
      _ = try LoadPlan(content: content, intake: intake, platform: .host).images()
    }
  }

  private static func parse(_ input: [UInt8]) throws {
    _ = try? JSONDecoder().decode(ImageConfig.self, from: Data(input))
    guard case .index(let index) = try ManifestDocument(parsing: input) else { return }
    _ = try PlatformChoice.select(from: index, wanted: .host)
  }

  /// Up to what would be carried out, and as the rules of a `.dockerignore`.
  private static func build(_ input: [UInt8]) throws {
    if let rules = try? IgnoreRules(parsing: input) { _ = rules.verdict("src/cmd/server/main.go") }
    let dockerfile = try Dockerfile(parsing: input)
    let platform = BuildInputs.PlatformName(os: "linux", architecture: "amd64")
    let inputs = BuildInputs(
      arguments: ["VERSION": "1"], buildPlatform: platform, targetPlatform: platform, target: "")
    let global = try GlobalScope(dockerfile, inputs)
    _ = Linter.check(dockerfile, global, environment: { _ in ["PATH=/bin", "HOME=/root"] })
    for stage in dockerfile.stages {
      _ = try global.expand(stage.base.image)
      var scope = StageScope(global, environment: ["PATH=/bin"])
      var missing: [StageScope.Missing] = []
      for instruction in stage.instructions { _ = try scope.expand(instruction, missing: &missing) }
    }
  }
}
