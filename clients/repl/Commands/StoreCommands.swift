import ArgumentParser
import RPCModel

struct Disk: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what the store takes up on the disk, and for what.",
    discussion:
      "UNIQUE is what the removal of an image alone gives back; the rest of it other images need as well.")

  func run(_ session: REPLSession) async throws -> Int32 {
    let terminal = session.terminal
    let answer = try await session.request(SystemDiskUsage.self, .init())
    if terminal.isJSON {
      terminal.printJSON(answer)
      return 0
    }
    let (images, containers) = (answer.images, answer.containers)
    var table = Table("WHAT", "SIZE", "UNUSED")
    func add(_ what: String, _ bytes: Int, _ unused: Int? = nil) {
      table.rows.append([what, size(bytes), unused.map(size) ?? ""])
    }
    add("images", images.uniqueBytes + images.sharedBytes, images.reclaimableBytes)
    add("containers", containers.bytes, containers.reclaimableBytes)
    add("volumes", answer.volumes.bytes, answer.volumes.reclaimableBytes)
    add("leftovers", answer.leftoverBytes, answer.leftoverBytes)
    add("the engine's own", answer.overheadBytes)
    add("all", answer.totalBytes)
    table.lines(terminal).forEach(terminal.print)
    if !images.images.isEmpty {
      var table = Table("IMAGE", "SIZE", "UNIQUE", "SHARED", "CONTAINERS")
      for image in images.images {
        table.rows.append([
          image.references.first.map { FamiliarName($0).text } ?? ShortID(image.digest).text,
          size(image.totalBytes), size(image.uniqueBytes), size(image.sharedBytes), "\(image.containers)",
        ])
      }
      terminal.print("")
      table.lines(terminal).forEach(terminal.print)
    }
    if !containers.containers.isEmpty {
      var table = Table("CONTAINER", "SIZE", "STATE")
      for container in containers.containers {
        table.rows.append([container.name, size(container.bytes), container.state.rawValue])
      }
      terminal.print("")
      table.lines(terminal).forEach(terminal.print)
    }
    if !answer.volumes.volumes.isEmpty {
      var table = Table("VOLUME", "SIZE", "CONTAINERS")
      for volume in answer.volumes.volumes {
        table.rows.append([volume.name, size(volume.bytes), "\(volume.containers)"])
      }
      terminal.print("")
      table.lines(terminal).forEach(terminal.print)
    }
    return 0
  }
}

struct Prune: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Remove what is of no use any more, after showing what and why.",
    discussion: """
      Without kinds, all of them but volumes, networks and what builds keep, which have to be asked for: buildCache, their \
      instructions, and cacheMount, the directories that their RUNs mount as caches. Of these --older-than and --keep-bytes \
      say together what stays. Without a terminal to ask at, nothing goes unless --yes is given.
      """)
  static var completes: [NameKind] {
    [
      .words([
        "container", "image", "download", "content", "remains", "buildCache", "cacheMount", "volume",
        "network",
      ])
    ]
  }
  @Argument(help: "container, image, download, content, remains, buildCache, cacheMount, volume, network")
  var kinds: [String] = []
  @Flag(help: "Images that have names too, where no container needs them.") var allImages = false
  @Flag(help: "With volume: those that have a name, too; else only those of one container that is gone.")
  var allVolumes = false
  @Option(help: "Only what has been of no use for so long, as 30m, 24h or 7d.") var olderThan: Period?
  @Option(
    help: "With buildCache or cacheMount: so many bytes of it may stay; what was unused for longest goes.")
  var keepBytes: Int?
  @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false

  func run(_ session: REPLSession) async throws -> Int32 {
    let params = SystemPrune.Params(
      kinds: kinds.isEmpty ? nil : kinds.map { PruneKind(rawValue: $0) }, namedImages: allImages,
      namedVolumes: allVolumes, unusedForMs: olderThan?.milliseconds, keepBuildCacheBytes: keepBytes)
    return try await Pruning(params: params, asks: !yes).run(session)
  }
}

/// A plan of what is to go, the question whether it may, and its end.
struct Pruning {
  var params: SystemPrune.Params
  var asks: Bool

  func run(_ session: REPLSession) async throws -> Int32 {
    let terminal = session.terminal
    var params = params
    let plan = try await session.request(SystemPrune.self, params)
    if !terminal.isJSON { show(plan, terminal) }
    guard !plan.items.isEmpty, !asks || (!terminal.isJSON && agreed(plan, terminal)) else {
      if terminal.isJSON { terminal.printJSON(plan) }
      return 0
    }
    params.apply = plan.items.map(\.id)
    let done = try await session.request(SystemPrune.self, params)
    let kept = done.items.filter { $0.outcome != .removed }
    if terminal.isJSON {
      terminal.printJSON(done)
    } else {
      for item in kept { terminal.note("kept \(item.title): \(item.reason)") }
      terminal.print("\(ByteCount(done.bytes).text) given back")
    }
    return kept.isEmpty ? 0 : 1
  }

  private func show(_ plan: SystemPrune.Result, _ terminal: Terminal) {
    if let why = plan.incomplete { terminal.note("leftovers were not looked at: \(why)") }
    guard !plan.items.isEmpty else { return terminal.print("there is nothing to remove") }
    var table = Table("KIND", "NAME", "SIZE", "WHY")
    for item in plan.items {
      table.rows.append([item.kind?.rawValue ?? "", item.title, size(item.bytes), item.reason])
    }
    table.lines(terminal).forEach(terminal.print)
  }

  private func agreed(_ plan: SystemPrune.Result, _ terminal: Terminal) -> Bool {
    let question = "remove these, and get \(ByteCount(plan.bytes).text) back? [y/N] "
    switch TerminalQuestion.ask(question, isSecret: false) {
    case .text(let text): return ["y", "yes"].contains(text.lowercased())
    case .givenUp: return false
    case .noTerminal:
      terminal.note("nothing was removed; --yes removes these, and gives \(ByteCount(plan.bytes).text) back")
      return false
    }
  }
}
private func size(_ bytes: Int) -> String { ByteCount(bytes).text.leftPadded(to: 7) }

extension PruneItem {
  fileprivate var title: String {
    if let name { return FamiliarName(name).text }
    let rest = String(id.drop { $0 != ":" }.dropFirst())
    return kind == .remains ? rest.shortened(to: 24) : ShortID(rest).text
  }
}
