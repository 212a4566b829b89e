import ArgumentParser
import RPCModel

struct Logs: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Show what a container has written.")
  static var completes: [NameKind] { [.containers] }
  @Argument(help: "The container.") var container: String
  @Flag(name: .shortAndLong, help: "Go on until it exits; Ctrl-C ends it before.") var follow = false
  @Option(name: [.customShort("n"), .long], help: "Only so many of the last lines.") var tail: Int?

  func run(_ session: REPLSession) async throws -> Int32 {
    let attachment = try Attachment(session, input: false)
    _ = try await attachment.carry {
      try await session.request(
        ContainerLogs.self,
        .init(container: container, follow: follow, tail: tail, streams: attachment.outputStreams))
    }
    return 0
  }
}

struct Attach: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a container writes from now on. Ctrl-C leaves it running.")
  static var completes: [NameKind] { [.runningContainers] }
  @Argument(help: "The container.") var container: String
  @Flag(name: [.customShort("i"), .long], help: "Send it standard input; it must have been made with -i.")
  var interactive = false

  func run(_ session: REPLSession) async throws -> Int32 {
    let attachment = try Attachment(session, input: interactive)
    let answer = try await attachment.carry {
      try await session.request(
        ContainerAttach.self,
        .init(container: container, streams: attachment.outputStreams, stdin: attachment.inputStream))
    }
    return session.report(answer.exit, of: nil)
  }
}

struct Exec: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run one more program in a container that runs.", discussion: "Ctrl-C ends the program.")
  static var completes: [NameKind] { [.runningContainers] }
  @Option(name: [.customShort("e"), .long], help: "A variable, NAME=value, or NAME for this one's own.")
  var env: [String] = []
  @Option(name: [.customShort("w"), .long], help: "The working directory.") var workdir: String?
  @Option(name: [.customShort("u"), .long], help: "user[:group], by name or number.") var user: String?
  @Flag(name: [.customShort("i"), .long], help: "Send it standard input.") var interactive = false
  @Argument(help: "The container.") var container: String
  @Argument(parsing: .captureForPassthrough, help: "The program and its arguments.") var command: [String]

  func run(_ session: REPLSession) async throws -> Int32 {
    let attachment = try Attachment(session, input: interactive)
    let variables = env.isEmpty ? nil : try assignments(env)
    let answer = try await attachment.carry {
      try await session.request(
        ContainerExec.self,
        .init(
          container: container, command: command, environment: variables, workingDirectory: workdir,
          user: user,
          streams: attachment.outputStreams, stdin: attachment.inputStream))
    }
    return session.report(answer.exit, of: nil)
  }
}
