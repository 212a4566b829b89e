import ArgumentParser
import RPCModel

struct Verify: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Read images from the disk and check that they are what they should be.",
    discussion: """
      What is damaged is removed or put right, so that nothing uses it; `pull` fetches what is missing then. The status is \
      1 where anything is left to do.
      """)
  static var completes: [NameKind] { [.images] }
  @Argument(help: "The image; all when absent.") var image: String?

  func run(_ session: REPLSession) async throws -> Int32 {
    let terminal = session.terminal
    let answer = try await session.request(ImageVerify.self, .init(image: image))
    let status: Int32 = answer.problems.allSatisfy(\.repaired) ? 0 : 1
    if terminal.isJSON {
      terminal.printJSON(answer)
      return status
    }
    for problem in answer.problems {
      let images =
        problem.images.isEmpty
        ? "the cache of builds" : problem.images.map { FamiliarName($0).text }.joined(separator: ", ")
      terminal.print("\(terminal.output.red(problem.sentence))  (\(images))")
      if let detail = problem.detail { terminal.print("  because: \(detail)") }
      if problem.repaired {
        terminal.print(problem.forgotten ? "  it will be built anew" : "  it has been put right")
      } else if let hint = problem.hint {
        terminal.print("  hint: \(hint)")
      }
    }
    terminal.print(
      "\(answer.images) images, \(answer.blobs) blobs, \(answer.layers) layers, \(ByteCount(answer.bytes).text) read: "
        + (answer.problems.isEmpty
          ? "all as it should be" : "\(answer.problems.count) were not as they should be"))
    return status
  }
}

extension StoreProblem {
  fileprivate var sentence: String {
    let short = ShortID(digest).text
    return switch kind {
    case .blobMissing: "blob \(short) is missing"
    case .blobDamaged: "blob \(short) was damaged, and has been removed"
    case .blobUnfit: "blob \(short) is not the layer that its image says"
    case .treeMissing: "layer \(short) is not unpacked"
    case .treeDamaged: "layer \(short) is damaged on the disk"
    default: "\(kind.rawValue) \(short)"
    }
  }

  /// What puts it right.
  fileprivate var hint: String? {
    if kind == .treeDamaged { return "a container runs on it; verify again when it has ended" }
    guard let name = images.first.map({ FamiliarName($0).text }) else { return nil }
    return kind == .blobUnfit
      ? "the image is broken where it comes from; remove it: rmi \(name)" : "pull \(name)"
  }
}
