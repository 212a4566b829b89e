import ArgumentParser
import RPCModel

struct Pull: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Fetch an image from a registry.")
  @Argument(help: "[registry/]name[:tag][@digest]") var image: String
  @Option(help: "os/architecture, instead of this machine's.") var platform: String?

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(ImagePull.self, .init(reference: image, platform: platform))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    session.terminal.note(answer.warnings, answer.rateLimit)
    session.terminal.note(answer.layerWarnings)
    let here = answer.layers.count { $0.outcome != .fetched }
    let fetched = "fetched \(ByteCount(answer.fetchedBytes).text)"
    let resumed = answer.layers.reduce(0) { $0 + ($1.resumedBytes ?? 0) }
    let earlier = resumed > 0 ? ", \(ByteCount(resumed).text) had come before" : ""
    let shared = here > 0 ? ", \(here) of \(answer.layers.count) layers were here" : ""
    session.terminal.print(
      "\(FamiliarName(answer.reference).text)  \(ShortID(answer.image.digest).text)  \(fetched)\(earlier)\(shared)"
    )
    return 0
  }
}

struct Push: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Send an image to a registry.")
  static var completesInOrder: [[NameKind]]? { [[.images], [.images]] }
  @Argument(help: "The image.") var image: String
  @Argument(help: "The name at the registry; the image's own when absent.") var destination: String?
  @Option(help: "gzip or zstd, for the layers there; as they are here when absent.") var compression: String?

  func run(_ session: REPLSession) async throws -> Int32 {
    let compression = try compression.map { name in
      guard let known = LayerCompression(rawValue: name) else {
        throw ValidationError("there is no compression \(name); there are gzip and zstd")
      }
      return known
    }
    let answer = try await session.request(
      ImagePush.self, .init(image: image, destination: destination, compression: compression))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    session.terminal.note(answer.warnings, answer.rateLimit)
    let there = answer.layers.count { $0.outcome != .pushed }
    let sent = answer.layers.reduce(0) { $0 + ($1.outcome == .pushed ? $1.size : 0) }
    let shared = there > 0 ? ", \(there) of \(answer.layers.count) parts were there" : ""
    session.terminal.print(
      "\(FamiliarName(answer.reference).text)  \(ShortID(answer.digest).text)  sent \(ByteCount(sent).text)\(shared)"
    )
    return 0
  }
}

struct PushIndex: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "push-index", abstract: "Send images of several platforms to a registry, as one name.")
  static var completes: [NameKind] { [.images] }
  @Argument(help: "The name at the registry.") var destination: String
  @Argument(help: "The images, one for each platform.") var images: [String]

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(
      ImagePushIndex.self, .init(images: images, destination: destination))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    session.terminal.note(answer.warnings, answer.rateLimit)
    session.terminal.print("\(FamiliarName(answer.reference).text)  \(ShortID(answer.digest).text)")
    return 0
  }
}

extension Terminal {
  /// What registries had to say.
  fileprivate func note(_ warnings: [RegistryWarning]?, _ limit: RateLimit?) {
    for warning in warnings ?? [] { note("\(warning.registry) warns: \(warning.text)") }
    // Before it has become a refusal.
    if let limit, limit.remaining * 10 <= limit.limit {
      note("\(limit.registry) allows \(limit.remaining) more of \(limit.limit) requests")
    }
  }
}

struct Import: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make an image from a root file system.",
    discussion: "The file is a tar archive, plain or compressed with gzip or zstd; - is standard input.")
  static var completesInOrder: [[NameKind]]? { [[.files], [.images]] }
  @Argument(help: "The archive.") var file: String
  @Argument(help: "The new image's name.") var reference: String
  @Option(name: [.customShort("m"), .long], help: "A comment for its history.") var message: String?
  @OptionGroup var changes: ChangeOptions

  func run(_ session: REPLSession) async throws -> Int32 {
    let input = try ArchiveInput(session, file: file)
    let changes = try changes.wire
    let answer = try await input.carry {
      try await session.request(
        ImageImport.self,
        .init(
          path: input.path, stream: input.stream, reference: reference, message: message, changes: changes))
    }
    show(answer.image, named: reference, answer.layerWarnings, session.terminal)
    return 0
  }
}

/// What an image's configuration is to say.
struct ChangeOptions: ParsableArguments, Sendable {
  @Option(help: "The program and arguments that a container runs, as words: --cmd \"httpd -f\".") var cmd:
    String?
  @Option(help: "The program that is always run, as words.") var entrypoint: String?
  @Option(name: [.customShort("e"), .long], help: "A variable, NAME=value.") var env: [String] = []
  @Option(name: [.customShort("w"), .long], help: "The working directory.") var workdir: String?
  @Option(name: [.customShort("u"), .long], help: "user[:group]") var user: String?
  @Option(help: "A label, name=value.") var label: [String] = []
  @Option(
    name: [.customShort("c"), .long],
    help: "An instruction as in a Dockerfile: --change 'EXPOSE 80'. They are applied last, in order.")
  var change: [String] = []

  /// Nil where nothing is to change.
  var wire: ImageChanges? {
    get throws {
      var changes = ImageChanges(
        command: try cmd.map(words), entrypoint: try entrypoint.map(words),
        environment: env.isEmpty ? nil : try assignments(env), workingDirectory: workdir, user: user,
        labels: label.isEmpty ? nil : try assignments(label))
      for line in change { try ImageInstruction(line).apply(to: &changes) }
      return changes == ImageChanges() ? nil : changes
    }
  }

  private func words(_ text: String) throws -> [String] { try WordSplitter.commands(text).flatMap(\.self) }
}
