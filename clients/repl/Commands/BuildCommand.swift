import ArgumentParser
import Foundation
import RPCModel

struct Build: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Build an image from a Dockerfile.",
    discussion: """
      The context is the directory that files are copied from; - is a tar archive of one on standard input. What RUNs write \
      is shown with the number of their step in front. With --explain nothing is built: it is told which instructions come \
      from the cache, and why others do not. With --verify all is built anew and compared, file by file, with the image of \
      --against or with what the cache gives. RUNs have the network that containers have by default: \
      bridge, which the first of them makes. --network names another one, none, or host.

      --output says where the build goes: type=image, type=oci, type=docker or type=tar with dest=FILE, type=local or \
      type=oci,tar=false with dest=DIRECTORY, type=registry to push it; a path alone is a directory of its files, and - a \
      tar archive of them on standard output. Caches in registries are ref=NAME, and mode=max sends all stages'.
      """)
  static var completesInOrder: [[NameKind]]? { [[.files]] }
  @Option(name: .shortAndLong, help: "The image's name; several are possible.") var tag: [String] = []
  @Option(name: .shortAndLong, help: "The Dockerfile, - for standard input; the context's own when absent.")
  var file: String?
  @Option(help: "The stage to build; the last one when absent.") var target: String?
  @Option(help: "A value for an ARG, NAME=value, or NAME for this one's own variable.") var buildArg:
    [String] = []
  @Option(help: "A label of the image, name=value.") var label: [String] = []
  @Option(help: "os/architecture, instead of this machine's.") var platform: String?
  @Option(help: "What RUNs have: default, none, host or a network's name.") var network: String?
  @Option(help: "A secret for RUNs: id=NAME,src=FILE or id=NAME,env=VARIABLE.") var secret: [String] = []
  @Option(help: "An SSH agent for RUNs, NAME=SOCKET; default alone is the one of $SSH_AUTH_SOCK.") var ssh:
    [String] = []
  @Option(help: "What RUNs may ask for: security.insecure or network.host.") var allow: [String] = []
  @Option(
    help: """
      A directory, docker-image://NAME, oci-layout://DIRECTORY[:TAG], a git repository or a web address in the place of a stage \
      or image: NAME=PLACE.
      """)
  var buildContext: [String] = []
  @Option(name: .shortAndLong, help: "Where the build goes; several are possible.") var output:
    [BuildOutputOption] = []
  @Option(help: "Where the build's cache is sent: ref=NAME[,mode=max].") var cacheTo: BuildCacheOption?
  @Option(help: "Where another build's cache was sent: ref=NAME; several are possible.") var cacheFrom:
    [BuildCacheOption] = []
  @Flag(help: "Keep the instruction that fails, and open a shell in it.") var debug = false
  @Option(help: "Stop in front of the instruction at a line of the file, and open a shell there.")
  var debugAt: Int?
  @Option(help: "The same behind the instruction.") var debugAfter: Int?
  @Flag(help: "Take nothing from the cache.") var noCache = false
  @Flag(help: "Ask registries for images also where they are here.") var pull = false
  @Flag(help: "Build nothing, and tell what would come from the cache.") var explain = false
  @Flag(help: "Build all anew, and tell which files are different.") var verify = false
  @Option(help: "The image to compare with, for --verify.") var against: String?
  @Argument(help: "The context: a directory, - for an archive, a git repository or an archive of the web.")
  var context: String = "."

  func validate() throws {
    guard file != "-" || context != "-" else {
      throw ValidationError("standard input is the Dockerfile or the context, not both")
    }
    guard output.count(where: \.goesToStandardOutput) <= 1 else {
      throw ValidationError("standard output takes one output only")
    }
    guard debugAt == nil || debugAfter == nil else {
      throw ValidationError("a build stops at one place: give --debug-at or --debug-after")
    }
    guard against == nil || verify else { throw ValidationError("--against is for --verify") }
    if explain || verify {
      let mode = explain ? "--explain" : "--verify"
      if explain && verify { throw ValidationError("give --explain or --verify, not both") }
      // What is written and kept nowhere has no name and no place.
      let unfit = [
        (verify && !tag.isEmpty, "--tag"), (!output.isEmpty, "--output"), (cacheTo != nil, "--cache-to"),
        (debug, "--debug"), (debugAt != nil, "--debug-at"), (debugAfter != nil, "--debug-after"),
      ].filter(\.0).map(\.1)
      if let first = unfit.first {
        throw ValidationError("\(mode) makes nothing that \(first) could be for: leave it out")
      }
    }
    if output.contains(where: \.isPushed), tag.isEmpty {
      throw ValidationError("what is pushed needs a name: give it with -t")
    }
  }

  func run(_ session: REPLSession) async throws -> Int32 {
    var description = try description
    let isElsewhere = ContextAddress.isOne(context)
    if session.isRemote { try description.takeFiles(keepsContext: isElsewhere) }
    let archive =
      context == "-" || (session.isRemote && !isElsewhere) ? try ArchiveInput(session, file: context) : nil
    if explain {
      var params = BuildExplain.Params(description)
      params.contextStream = archive?.stream
      let answer = try await Self.carry(archive) { [params] in
        try await session.request(BuildExplain.self, params)
      }
      session.terminal.note(answer.warnings, description.file)
      for warning in (answer.requestWarnings ?? []) + (answer.cacheWarnings ?? []) {
        session.terminal.note(warning)
      }
      if session.terminal.isJSON {
        session.terminal.printJSON(answer)
      } else {
        Self.show(answer.steps, session.terminal)
      }
      return 0
    }
    if verify { return try await verify(session, description, archive) }
    let isArchive = output.contains(where: \.goesToStandardOutput)
    // What RUNs write gives way to an archive.
    let attachment = try Attachment(session, input: false, output: isArchive ? .archiveBesideText : .both)
    var params = BuildStart.Params(description)
    params.contextStream = archive?.stream
    params.references = tag.isEmpty ? nil : tag
    let streams = attachment.outputStreams
    params.output = isArchive ? streams.stderr : streams.stdout
    params.initialCredit = streams.initialCredit
    params.outputs = output.isEmpty ? nil : output.map { $0.wire(streams) }
    params.cacheTo = cacheTo.map { BuildCacheTarget(reference: $0.reference, mode: $0.mode) }
    if debug || debugAt != nil || debugAfter != nil {
      params.debug = BuildDebug(line: debugAt ?? debugAfter, after: debugAfter == nil ? nil : true)
    }
    if !isArchive { attachment.closeUnused() }
    let answer: BuildStart.Result
    do {
      answer = try await session.progress.gather {
        try await attachment.carry { [params] in
          try await Self.carry(archive) { try await session.request(BuildStart.self, params) }
        }
      }
    } catch let error as RPCError {
      guard let container = error.data?.container else { throw error }
      session.terminal.print(error: error)
      try await session.look(into: container)
      return 1
    }
    session.terminal.note(answer.warnings, description.file)
    session.terminal.note(answer.layerWarnings)
    for warning in (answer.requestWarnings ?? []) + (answer.cacheWarnings ?? []) {
      session.terminal.note(warning)
    }
    if let warning = answer.networkWarning { session.terminal.note(warning) }
    if output.contains(where: \.isPushed) {
      for name in tag {
        _ = try await session.request(ImagePush.self, .init(image: name))
      }
    }
    if session.terminal.isJSON {
      // It has standard output for itself.
      if !isArchive { session.terminal.printJSON(answer) }
      return 0
    }
    report(answer, isArchive ? session.terminal.note : session.terminal.print)
    return 0
  }

  private func report(_ answer: BuildStart.Result, _ say: (String) -> Void) {
    let cached = answer.steps.count { $0.cached }
    let name = FamiliarName(answer.image, given: tag.first)?.text ?? "-"
    say(
      "\(name)  \(ShortID(answer.image.digest).text)  \(cached) of \(answer.steps.count) instructions from the cache"
    )
    for (output, written) in zip(output, answer.outputs ?? []) {
      guard let place = output.destination else { continue }
      say("\(place)  \(ByteCount(written.bytes).text)")
    }
    if let cache = answer.cacheTo {
      say(
        "\(FamiliarName(cache.reference).text)  \(cache.steps) instructions, \(ByteCount(cache.sentBytes).text) of \(ByteCount(cache.bytes).text) sent"
      )
    }
  }

  private func verify(_ session: REPLSession, _ description: BuildDescription, _ archive: ArchiveInput?)
    async throws -> Int32
  {
    let attachment = try Attachment(session, input: false)
    var params = BuildVerify.Params(description)
    params.contextStream = archive?.stream
    params.image = against
    params.output = attachment.outputStreams.stderr
    params.initialCredit = attachment.outputStreams.initialCredit
    attachment.closeOutput()
    let answer = try await attachment.carry { [params] in
      try await Self.carry(archive) { try await session.request(BuildVerify.self, params) }
    }
    let terminal = session.terminal
    if terminal.isJSON {
      terminal.printJSON(answer)
      return answer.identical ? 0 : 1
    }
    if answer.identical {
      terminal.print("identical: \(ShortID(answer.image).text)")
      return 0
    }
    terminal.print("\(ShortID(answer.image).text) was built anew as \(ShortID(answer.rebuilt).text)")
    for setting in answer.settings ?? [] {
      terminal.print(
        "\(setting.name): was \(setting.was?.shortened(to: 200) ?? "not there"), is \(setting.now?.shortened(to: 200) ?? "not there")"
      )
    }
    var layer = 0
    for file in answer.files ?? [] {
      if file.layer != layer {
        layer = file.layer
        terminal.print("layer \(layer): \(file.instruction?.shortened(to: 100) ?? "")")
      }
      let mark = file.change == .added ? "A" : file.change == .deleted ? "D" : "C"
      let aspects = (file.aspects ?? []).map(\.rawValue).joined(separator: ", ")
      terminal.print("  \(mark) \(file.path)\(aspects.isEmpty ? "" : "  (\(aspects))")")
    }
    let shown = answer.files?.count ?? 0
    if answer.fileCount > shown { terminal.print("and \(answer.fileCount - shown) more") }
    return 1
  }

  private static func carry<Result: Sendable>(
    _ archive: ArchiveInput?, _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    if let archive { return try await archive.carry(body) }
    return try await body()
  }

  private var description: BuildDescription {
    get throws {
      var description = BuildDescription()
      let isElsewhere = ContextAddress.isOne(context)
      let directory = context == "-" || isElsewhere ? nil : absolutePath(context)
      description.context = isElsewhere ? context : directory
      if file == "-" {
        description.dockerfile = String(
          decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
      } else if let file {
        let path = absolutePath(file)
        let clean = { (path: String) in URL(filePath: path).standardizedFileURL.path(percentEncoded: false) }
        let root = directory.map { clean($0) }.map { $0.hasSuffix("/") ? $0 : $0 + "/" }
        if let root, clean(path).hasPrefix(root) {
          description.file = String(clean(path).dropFirst(root.count))
        } else if directory == nil {
          description.file = file
        } else {
          // It is elsewhere, and what it leaves out of the context is said beside it.
          description.file = URL(filePath: path).lastPathComponent
          description.dockerfile = String(decoding: try LocalFile.content(of: path), as: UTF8.self)
          let ignore = path + ".dockerignore"
          if FileManager.default.fileExists(atPath: ignore) {
            description.dockerignore = String(decoding: try LocalFile.content(of: ignore), as: UTF8.self)
          }
        }
      }
      description.target = target
      description.arguments = buildArg.isEmpty ? nil : try assignments(buildArg)
      description.labels = label.isEmpty ? nil : try assignments(label)
      description.platform = platform
      description.network = network
      description.secrets = secret.isEmpty ? nil : try secret.map(Self.secret)
      description.ssh = ssh.isEmpty ? nil : try ssh.map(Self.agent)
      description.allow = allow.isEmpty ? nil : allow
      if !buildContext.isEmpty {
        description.contexts = try assignments(buildContext).mapValues { place in
          let layout = "oci-layout://"
          if place.hasPrefix(layout) { return layout + absolutePath(String(place.dropFirst(layout.count))) }
          return place.contains("://") || ContextAddress.isOne(place) ? place : absolutePath(place)
        }
      }
      description.cacheFrom = cacheFrom.isEmpty ? nil : cacheFrom.map(\.reference)
      description.noCache = noCache ? true : nil
      description.pull = pull ? true : nil
      return description
    }
  }

  private static func agent(_ text: String) throws -> BuildAgent {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    let name = parts.first ?? "default"
    if parts.count == 2 { return BuildAgent(id: name, path: absolutePath(parts[1])) }
    guard let socket = ProcessInfo.processInfo.environment["SSH_AUTH_SOCK"], !socket.isEmpty else {
      throw ValidationError("there is no variable SSH_AUTH_SOCK for the agent \(name): give \(name)=SOCKET")
    }
    return BuildAgent(id: name, path: socket)
  }

  private static func secret(_ text: String) throws -> BuildSecret {
    var fields: [String: String] = [:]
    for field in text.split(separator: ",") {
      let parts = field.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw ValidationError("'\(field)' of a secret is not of the form key=value")
      }
      fields[parts[0]] = parts[1]
    }
    guard let id = fields["id"] else { throw ValidationError("a secret has an id: id=NAME,src=FILE") }
    if let variable = fields["env"] {
      guard let value = ProcessInfo.processInfo.environment[variable] else {
        throw ValidationError("there is no variable \(variable) for the secret \(id)")
      }
      return BuildSecret(id: id, value: value)
    }
    guard let path = fields["src"] ?? fields["source"] else {
      guard let value = ProcessInfo.processInfo.environment[id] else {
        throw ValidationError("the secret \(id) is no variable here, and no src=FILE is given")
      }
      return BuildSecret(id: id, value: value)
    }
    return BuildSecret(id: id, path: absolutePath(path))
  }

  private static func show(_ steps: [BuildStep], _ terminal: Terminal) {
    for step in steps {
      let mark =
        step.cached
        ? terminal.output.green("cached ") : step.unknown == true ? "unknown" : terminal.output.red("missing")
      terminal.print("\(mark)  \(step.line): \(step.instruction.shortened(to: 100))")
      if let from = step.cachedFrom { terminal.print("           in \(FamiliarName(from).text)") }
      for reason in step.reasons ?? [] { terminal.print("           \(reason)") }
      if let last = lastRun(step) { terminal.print("           \(last)") }
    }
  }
}

/// What is known of the run that an instruction comes from, or was compared with.
private func lastRun(_ step: BuildStep) -> String? {
  guard let time = step.lastRunAt else { return nil }
  var parts = ["the last run: \(Age(time).text)"]
  if let duration = step.lastDurationMs, duration > 0 { parts.append("\(Double(duration) / 1000) s") }
  if let size = step.lastLayerSize { parts.append(ByteCount(size).text) }
  return parts.joined(separator: ", ")
}

extension BuildOutputOption {
  /// - Parameter streams: standard output's is the first.
  fileprivate func wire(_ streams: OutputStreams) -> BuildOutput {
    if goesToStandardOutput {
      return BuildOutput(type: type, stream: streams.stdout, initialCredit: streams.initialCredit)
    }
    return BuildOutput(
      type: type, path: destination.map(absolutePath), directory: isDirectory ? true : nil)
  }
}

extension Terminal {
  /// What BuildKit's rules say of a Dockerfile.
  fileprivate func note(_ warnings: [BuildWarning]?, _ file: String?) {
    for warning in warnings ?? [] {
      note("\(file ?? "Dockerfile"):\(warning.line):\(warning.column): \(warning.rule): \(warning.message)")
    }
  }
}

extension BuildDescription {
  /// For a service that has none of this machine's files: the context is sent to it, and secrets are said.
  fileprivate mutating func takeFiles(keepsContext: Bool) throws {
    if !keepsContext { context = nil }
    secrets = try secrets?.map { secret in
      guard let path = secret.path else { return secret }
      let bytes = try LocalFile.content(of: path)
      return BuildSecret(id: secret.id, base64: bytes.base64EncodedString())
    }
  }
}

struct BuildContextList: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "context",
    abstract: "List what a directory holds for a build, and what is left out by which rule.")
  static var completesInOrder: [[NameKind]]? { [[.files]] }
  @Argument(help: "The directory.") var directory: String = "."
  @Option(name: .shortAndLong, help: "The Dockerfile in it, whose own .dockerignore counts first.") var file:
    String?

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(
      ContextList.self, .init(path: absolutePath(directory), file: file))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    var table = Table("SIZE", "PATH", "LEFT OUT BY")
    for entry in answer.entries {
      table.rows.append([
        entry.directory ? "" : ByteCount(entry.size).text.leftPadded(to: 7),
        entry.path + (entry.directory ? "/" : ""), entry.ignoredBy ?? "",
      ])
    }
    table.lines(session.terminal).forEach(session.terminal.print)
    session.terminal.print("\(ByteCount(answer.bytes).text) in all")
    return 0
  }
}

struct BuildCache: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "build-cache",
    abstract: "List what builds have kept for later ones; `prune buildCache` removes it.")

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(BuildCacheList.self, .init())
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    var table = Table("KEY", "SIZE", "TOOK", "USED", "INSTRUCTION")
    for entry in answer.entries {
      table.rows.append([
        ShortID(entry.key).text, (entry.layerSize.map { ByteCount($0).text } ?? "-").leftPadded(to: 7),
        "\(Double(entry.durationMs) / 1000) s", Age(entry.usedAt).text, entry.instruction.shortened(to: 80),
      ])
    }
    table.lines(session.terminal).forEach(session.terminal.print)
    return 0
  }
}
