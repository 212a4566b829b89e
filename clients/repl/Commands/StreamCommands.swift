import ArgumentParser
import Foundation
import RPCModel

struct Logs: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a container has written.",
    discussion: """
      Times are as 2026-01-02T03:04:05Z, or how long ago: 90s, 10m, 3h, 2d.
      """)
  static var completesInOrder: [[NameKind]]? { [[.containers]] }
  @Argument(help: "The container.") var container: String
  @Flag(name: .shortAndLong, help: "Go on until it exits; Ctrl-C ends it before.") var follow = false
  @Option(name: [.customShort("n"), .long], help: "Only so many of the last lines.") var tail: Int?
  @Option(help: "Only what was written since a time.") var since: String?
  @Option(help: "Only what was written before a time.") var until: String?
  @Flag(name: [.customShort("t"), .long], help: "Begin each line with its time.") var timestamps = false

  func run(_ session: REPLSession) async throws -> Int32 {
    let (since, until) = (try since.map { try LogTime($0).text }, try until.map { try LogTime($0).text })
    let attachment = try Attachment(session, input: false)
    do {
      _ = try await attachment.carry {
        try await session.request(
          ContainerLogs.self,
          .init(
            container: container, follow: follow, tail: tail, since: since, until: until,
            timestamps: timestamps,
            streams: attachment.outputStreams))
      }
    } catch let error as RPCError where follow && error.data?.kind == .cancelled {
      // Ctrl-C is how a person ends it.
      if session.terminal.isInputTerminal { session.terminal.note("") }
      return 130
    }
    return 0
  }
}

/// A time as a person says it.
struct LogTime {
  /// As the protocol has it.
  var text: String

  /// - Throws: `invalidArgument` for what is neither a time nor a length of it.
  init(_ said: String, now: Date = Date()) throws {
    if let period = Period(argument: said) {
      let time = max(0, now.timeIntervalSince1970 - Double(period.milliseconds) / 1000)
      text = Date(timeIntervalSince1970: time).formatted(
        .iso8601.year().month().day().time(includingFractionalSeconds: true).timeZone(separator: .omitted))
      return
    }
    guard said.contains("T") || said.contains(" ") else {
      throw RPCError(
        .invalidArgument, "'\(said)' is no time",
        hint: "times are as 2026-01-02T03:04:05Z, or how long ago: 90s, 10m, 3h, 2d")
    }
    text = said
  }
}

struct Attach: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a container writes from now on. Ctrl-C leaves it running.",
    discussion: """
      With a terminal and an open standard input, the keys go to the container, Ctrl-C too; ctrl-p ctrl-q leaves it running.
      """)
  static var completesInOrder: [[NameKind]]? { [[.runningContainers]] }
  @Argument(help: "The container.") var container: String
  @Flag(name: [.customShort("i"), .long], help: "Send it standard input; it must have been made with -i.")
  var interactive = false
  @Option(help: "The keys that leave it.") var detachKeys = DetachKeys.standard

  func run(_ session: REPLSession) async throws -> Int32 {
    let keys = try DetachKeys(detachKeys)
    let creation = try await session.request(ContainerInspect.self, .init(container: container)).creation
    let tty = creation.tty ?? false
    let takesKeys = tty && (creation.opensStdin ?? false) && session.terminal.isInputTerminal
    let attachment = try Attachment(session, input: interactive || takesKeys, tty: tty)
    let params = ContainerAttach.Params(
      container: container, streams: attachment.outputStreams, stdin: attachment.inputStream,
      terminalSize: tty ? session.terminal.wireSize : nil)
    let task = Task { try await session.request(ContainerAttach.self, params) }
    do {
      let answer = try await attachment.carry(
        detaching: attachment.isRaw ? Detaching(keys: keys) { task.cancel() } : nil,
        window: tty ? .container(container, session) : nil
      ) {
        try await withTaskCancellationHandler {
          try await task.value
        } onCancel: {
          task.cancel()
        }
      }
      return session.report(answer.exit, of: nil)
    } catch let error as RPCError where task.isCancelled && error.data?.kind == .cancelled {
      return session.detached(container: container)
    }
  }
}

struct Exec: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run one more program in a container that runs.",
    discussion: """
      Ctrl-C ends the program. With -it, the keys go to its terminal, Ctrl-C too, and ctrl-p ctrl-q leaves it running, with
      nobody to come back to it. The status is that of the program.
      """)
  static var completesInOrder: [[NameKind]]? { [[.runningContainers]] }
  static var completesBehind: [NameKind] { [.containerFiles] }
  @Option(name: [.customShort("e"), .long], help: "A variable, NAME=value, or NAME for this one's own.")
  var env: [String] = []
  @Option(name: [.customShort("w"), .long], help: "The working directory.") var workdir: String?
  @Option(name: [.customShort("u"), .long], help: "user[:group], by name or number.") var user: String?
  @Flag(name: [.customShort("i"), .long], help: "Send it standard input.") var interactive = false
  @Flag(name: [.customShort("t"), .long], help: "Give it a terminal.") var tty = false
  @Flag(help: "Give it all capabilities that the service has.") var privileged = false
  @Option(help: "The keys that leave it running.") var detachKeys = DetachKeys.standard
  @Argument(help: "The container.") var container: String
  @Argument(parsing: .captureForPassthrough, help: "The program and its arguments.") var command: [String]

  func run(_ session: REPLSession) async throws -> Int32 {
    let keys = try DetachKeys(detachKeys)
    let attachment = try Attachment(session, input: interactive, tty: tty)
    let variables = env.isEmpty ? nil : try assignments(env)
    let params = ContainerExec.Params(
      container: container, command: command, environment: variables, workingDirectory: workdir, user: user,
      streams: attachment.outputStreams, stdin: attachment.inputStream, tty: tty ? true : nil,
      terminalSize: tty ? session.terminal.wireSize : nil, privileged: privileged ? true : nil)
    let id = session.connection.newRequestID()
    let answer = try await attachment.carry(
      detaching: attachment.isRaw ? .leaving(id, keys, session) : nil,
      window: tty ? .request(id, session) : nil
    ) {
      try await session.request(ContainerExec.self, params, id: id)
    }
    if answer.exit == nil { return session.detached("left the program running in \(container)") }
    return session.report(answer.exit, of: nil)
  }
}
