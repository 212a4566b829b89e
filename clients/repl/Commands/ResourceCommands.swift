import ArgumentParser
import RPCModel

struct Pause: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Hold all processes of containers.")
  static var completes: [NameKind] { [.runningContainers] }
  @Argument(help: "The containers.") var containers: [String]

  func run(_ session: REPLSession) async throws -> Int32 {
    await session.each(containers) { container in
      _ = try await session.request(ContainerPause.self, .init(container: container))
    }
  }
}

struct Unpause: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Let paused containers go on.")
  static var completes: [NameKind] { [.runningContainers] }
  @Argument(help: "The containers.") var containers: [String]

  func run(_ session: REPLSession) async throws -> Int32 {
    await session.each(containers) { container in
      _ = try await session.request(ContainerUnpause.self, .init(container: container))
    }
  }
}

struct Update: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Change the limits of containers and when they start again, of running ones at once.",
    discussion: "What is not named stays as it is; 0, or an empty text, takes a limit away.")
  static var completes: [NameKind] { [.containers] }
  @OptionGroup var limits: LimitOptions
  @Option(help: "no, on-failure, on-failure:TIMES, always or unless-stopped.") var restart: String?
  @Argument(help: "The containers.") var containers: [String]

  func run(_ session: REPLSession) async throws -> Int32 {
    let limits = try limits.wire
    let policy = try restart.map(RestartPolicy.init(word:))
    guard limits != nil || policy != nil else {
      throw invalidOption("nothing is to be changed", hint: "name a limit, as --memory 64m, or --restart")
    }
    return await session.each(containers) { container in
      let answer = try await session.request(
        ContainerUpdate.self, .init(container: container, limits: limits, restart: policy))
      if session.terminal.isJSON { session.terminal.printJSON(answer) }
      session.note(answer.warnings)
    }
  }
}

struct Top: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "List the processes of a container.")
  static var completes: [NameKind] { [.runningContainers] }
  @Argument(help: "The container.") var container: String

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(ContainerTop.self, .init(container: container))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    var table = Table(
      "PID", "INSIDE", "PARENT", "USER", "STATE", "THREADS", "CPU", "MEMORY", "STARTED", "COMMAND")
    for process in answer.processes {
      table.rows.append([
        "\(process.pid)", "\(process.containerPid)", "\(process.parentPid)", "\(process.user)", process.state,
        "\(process.threads)", Seconds(microseconds: process.cpuTimeUs).text,
        ByteCount(process.residentBytes).text, Age(process.startedAt).text,
        process.command.joined(separator: " "),
      ])
    }
    table.lines(session.terminal).forEach(session.terminal.print)
    return 0
  }
}

struct Stats: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what containers use, again and again until Ctrl-C.")
  static var completes: [NameKind] { [.runningContainers] }
  @Argument(help: "The containers; all that run when absent.") var containers: [String] = []
  @Flag(help: "Once.") var noStream = false

  func run(_ session: REPLSession) async throws -> Int32 {
    let names = containers.isEmpty ? nil : containers
    if noStream || !session.terminal.isErrorTerminal && !session.terminal.isJSON {
      let answer = try await session.request(ContainerStats.self, .init(containers: names))
      if session.terminal.isJSON {
        session.terminal.printJSON(answer)
      } else {
        Self.table(answer.stats).lines(session.terminal).forEach(session.terminal.print)
      }
      return 0
    }
    session.samples.begin()
    defer { session.samples.end() }
    do {
      let answer = try await session.request(ContainerStats.self, .init(containers: names, follow: true))
      if !session.terminal.isJSON {
        session.samples.end()
        Self.table(answer.stats).lines(session.terminal).forEach(session.terminal.print)
      }
    } catch let error as RPCError where error.data?.kind == .cancelled {
      // That is how it ends.
    }
    return 0
  }

  static func table(_ samples: [ContainerSample]) -> Table {
    func bytes(_ count: Int?) -> String { count.map { ByteCount($0).text } ?? "-" }
    var table = Table(
      "NAME", "CPU", "CPU TIME", "MEMORY", "LIMIT", "PROCESSES", "READ", "WRITTEN", "RECEIVED", "SENT")
    for sample in samples {
      let limit = sample.processLimit.map { " of \($0)" } ?? ""
      table.rows.append([
        sample.name, sample.cpuPermille.map { "\($0 / 10).\($0 % 10) %" } ?? "-",
        Seconds(microseconds: sample.cpuTimeUs).text, bytes(sample.memoryBytes),
        bytes(sample.memoryLimitBytes), "\(sample.processes)\(limit)", bytes(sample.readBytes),
        bytes(sample.writtenBytes), bytes(sample.receivedBytes), bytes(sample.sentBytes),
      ])
    }
    // What the others do not tell.
    table.expendable = ["LIMIT", "CPU TIME", "READ", "WRITTEN"]
    return table
  }
}

/// A span of time as `1.25 s`.
struct Seconds {
  var text: String

  init(microseconds: Int) {
    let hundredths = microseconds / 10_000
    text = "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
  }
}

extension REPLSession {
  /// What of a request does not apply.
  func note(_ warnings: [ContainerWarning]?) {
    for warning in warnings ?? [] {
      terminal.note(terminal.notes.dim("\(warning.subject) does not apply: \(warning.reason)"))
    }
  }
}
