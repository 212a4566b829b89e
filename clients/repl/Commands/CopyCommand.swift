import ArgumentParser
import RPCModel

struct Copy: REPLCommand {
  static let configuration = CommandConfiguration(
    commandName: "cp", abstract: "Copy files into a container, or out of one, whether it runs or not.",
    discussion: """
      One of the two is CONTAINER:PATH. A directory that is there takes the copy into it; a name that is not there becomes \
      the copy; and what ends in /. stands for what is in the directory. - is a tar archive on standard input or output.
      """)
  static var completesInOrder: [[NameKind]]? { [[.places], [.places]] }
  @Argument(help: "What to copy: PATH, CONTAINER:PATH or -.") var source: String
  @Argument(help: "Where to: PATH, CONTAINER:PATH or -.") var target: String
  @Flag(name: [.customShort("a"), .long], help: "Keep the files' owners.") var archive = false
  @Flag(name: [.customShort("L"), .long], help: "Follow a source in the container that is a symbolic link.")
  var followLink = false

  func run(_ session: REPLSession) async throws -> Int32 {
    let ownership = archive ? CopyOwnership(keeps: true) : nil
    switch (place(source), place(target)) {
    case (nil, let (container, path)?) where session.isRemote && source != "-":
      let answer = try await FarFiles(session: session, container: container, path: path)
        .put(hostPath(source), ownership)
      report(answer.entries, answer.bytes, answer, session)
    case (nil, let (container, path)?):
      let input = source == "-" ? try ArchiveInput(session, file: "-") : nil
      let params = ContainerCopyTo.Params(
        container: container, target: path, path: input == nil ? hostPath(source) : nil,
        stream: input?.stream,
        ownership: ownership)
      let answer =
        if let input {
          try await input.carry { try await session.request(ContainerCopyTo.self, params) }
        } else {
          try await session.request(ContainerCopyTo.self, params)
        }
      report(answer.entries, answer.bytes, answer, session)
    case (let (container, path)?, nil) where target == "-":
      let attachment = try Attachment(session, input: false, output: .archive)
      let (stream, credit) = attachment.archiveStream
      _ = try await attachment.carry {
        try await session.request(
          ContainerCopyFrom.self,
          .init(
            container: container, source: path, stream: stream, initialCredit: credit, followLinks: followLink
          ))
      }
    case (let (container, path)?, nil) where session.isRemote:
      let answer = try await FarFiles(session: session, container: container, path: path)
        .fetch(hostPath(target), keepsOwners: archive, followsLinks: followLink)
      report(answer.entries, answer.bytes, answer, session)
    case (let (container, path)?, nil):
      let answer = try await session.request(
        ContainerCopyFrom.self,
        .init(
          container: container, source: path, path: hostPath(target), ownership: ownership,
          followLinks: followLink))
      report(answer.entries, answer.bytes, answer, session)
    default:
      throw RPCError(
        .invalidArgument, "one of the two must be CONTAINER:PATH", hint: "as in: cp web:/etc/motd motd")
    }
    return 0
  }

  private func report(_ entries: Int, _ bytes: Int, _ answer: some RPCValue, _ session: REPLSession) {
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
    } else {
      session.terminal.print("\(entries) file\(entries == 1 ? "" : "s"), \(ByteCount(bytes).text)")
    }
  }

  /// A container and an absolute path in it; nil for a path of this machine, which has a slash or no colon before.
  private func place(_ text: String) -> (container: String, path: String)? {
    guard let colon = text.firstIndex(of: ":"), colon != text.startIndex, !text[..<colon].contains("/"),
      !text.hasPrefix(".")
    else { return nil }
    let path = String(text[text.index(after: colon)...])
    return (String(text[..<colon]), path.hasPrefix("/") ? path : "/" + path)
  }

  /// A slash or a dot at the end means something.
  private func hostPath(_ text: String) -> String { absolutePath(text == "." ? "./." : text) }
}
