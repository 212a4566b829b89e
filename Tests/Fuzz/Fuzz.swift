import EngineErrors
import Foundation
import Layers
import LinuxSystem
import OCIModel
import SystemPackage

/// Feeds mutations of good inputs to what reads hostile ones, for a bounded time.
///
///   fuzz archive|manifest SECONDS SCRATCH SEED-FILE...
///
/// The input under way is in SCRATCH/input: after a trap it is what trapped. An error that is no `EngineError`, or is the
/// engine's own fault, and a file outside of the tree end the run with status 1 and leave it there too.
@main
struct Fuzz {
  static func main() throws {
    let arguments = Array(CommandLine.arguments.dropFirst())
    guard arguments.count > 3, let seconds = Double(arguments[1]) else {
      FileHandle.standardError.write(Data("usage: fuzz archive|manifest SECONDS SCRATCH SEED-FILE...\n".utf8))
      exit(2)
    }
    let scratch = arguments[2]
    let seeds = try arguments[3...].map { [UInt8](try Data(contentsOf: URL(filePath: $0))) }
    let end = Date().addingTimeInterval(seconds)
    var (runs, refused) = (0, 0)
    var mutation = Mutation(seeds)
    while Date() < end {
      let input = mutation.next()
      try Data(input).write(to: URL(filePath: scratch + "/input"))
      do {
        if arguments[0] == "archive" { try unpack(input, scratch) } else { try parse(input) }
      } catch let error as EngineError where error.kind != .internal {
        refused += 1
      } catch {
        print("\(scratch)/input: \(error)")
        exit(1)
      }
      runs += 1
    }
    print("\(arguments[0]): \(runs) inputs, \(refused) of them refused, none did harm")
  }

  private static func unpack(_ input: [UInt8], _ scratch: String) throws {
    let tree = FilePath(scratch + "/outer/tree")
    try removeTree(FilePath(scratch + "/outer"))
    try makeDirectories(tree, mode: 0o755)
    var options = UnpackOptions(overlayXattrs: geteuid() == 0 ? .trusted : .user)
    options.limits.bytes = 64 << 20
    let unpacker = try LayerUnpacker(into: tree, options: options)
    defer { unpacker.cancel() }
    try input.withUnsafeBytes { try unpacker.write($0) }
    _ = try? unpacker.finish()
    guard try FileManager.default.contentsOfDirectory(atPath: scratch + "/outer") == ["tree"] else {
      throw EngineError(.internal, "something was written outside of the tree")
    }
    _ = try unpacker.finish()
  }

  private static func parse(_ input: [UInt8]) throws {
    _ = try? JSONDecoder().decode(ImageConfig.self, from: Data(input))
    _ = try ManifestDocument(parsing: input)
  }
}
