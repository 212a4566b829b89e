import ArgumentParser
import RPCModel

struct Start: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Start containers that do not run.")
  static var completes: [NameKind] { [.containers] }
  @Argument(help: "The containers.") var containers: [String]

  func run(_ session: REPLSession) async throws -> Int32 {
    await session.each(containers) { container in
      let answer = try await session.request(ContainerStart.self, .init(container: container))
      if session.terminal.isJSON { session.terminal.printJSON(answer) }
    }
  }
}

struct Stop: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Stop containers: with their stop signal, and with SIGKILL when that takes too long.")
  static var completes: [NameKind] { [.runningContainers] }
  @Argument(help: "The containers.") var containers: [String]
  @Option(name: .shortAndLong, help: "Another signal.") var signal: String?
  @Option(name: [.customShort("t"), .long], help: "Seconds until SIGKILL.") var time: Double?

  func run(_ session: REPLSession) async throws -> Int32 {
    let timeout = try milliseconds(time, "--time")
    return await session.each(containers) { container in
      let answer = try await session.request(
        ContainerStop.self, .init(container: container, signal: signal, timeoutMs: timeout))
      if session.terminal.isJSON { session.terminal.printJSON(answer) }
    }
  }
}

struct Kill: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Send a signal to containers.")
  static var completes: [NameKind] { [.runningContainers] }
  @Argument(help: "The containers.") var containers: [String]
  @Option(name: .shortAndLong, help: "SIGKILL when absent.") var signal: String?

  func run(_ session: REPLSession) async throws -> Int32 {
    await session.each(containers) { container in
      _ = try await session.request(ContainerKill.self, .init(container: container, signal: signal))
    }
  }
}

struct Restart: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Stop containers where they run, and start them again.")
  static var completes: [NameKind] { [.containers] }
  @Argument(help: "The containers.") var containers: [String]
  @Option(name: .shortAndLong, help: "Another signal than the stop signal.") var signal: String?
  @Option(name: [.customShort("t"), .long], help: "Seconds until SIGKILL.") var time: Double?

  func run(_ session: REPLSession) async throws -> Int32 {
    let timeout = try milliseconds(time, "--time")
    return await session.each(containers) { container in
      let answer = try await session.request(
        ContainerRestart.self, .init(container: container, signal: signal, timeoutMs: timeout))
      if session.terminal.isJSON { session.terminal.printJSON(answer) }
    }
  }
}

struct Rename: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Give a container another name.")
  static var completesInOrder: [[NameKind]]? { [[.containers]] }
  @Argument(help: "The container.") var container: String
  @Argument(help: "Its new name.") var name: String

  func run(_ session: REPLSession) async throws -> Int32 {
    _ = try await session.request(ContainerRename.self, .init(container: container, name: name))
    return 0
  }
}

struct Wait: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Wait until containers have exited, and say with what; or for something else about them.",
    discussion: """
      The status is the last one's. With --running, --healthy, --port or --log it waits until a container is so, and fails \
      where it ends before.
      """)
  static var completes: [NameKind] { [.runningContainers] }
  @Argument(help: "The containers.") var containers: [String]
  @Option(name: [.customShort("t"), .long], help: "Seconds after which waiting fails.") var time: Double?
  @Flag(help: "Until it runs.") var running = false
  @Flag(help: "Until it is healthy.") var healthy = false
  @Option(help: "Until this TCP port takes connections in the container.") var port: Int?
  @Option(help: "Until a line of its output contains this text.") var log: String?

  func validate() throws {
    if [running, healthy, port != nil, log != nil].count(where: \.self) > 1 {
      throw ValidationError("wait for one thing: --running, --healthy, --port or --log")
    }
  }

  private var condition: WaitCondition? {
    if running { return WaitCondition(condition: .running) }
    if healthy { return WaitCondition(condition: .healthy) }
    if let port { return WaitCondition(condition: .portOpen, port: port) }
    return log.map { WaitCondition(condition: .logMatch, pattern: $0) }
  }

  func run(_ session: REPLSession) async throws -> Int32 {
    let timeout = try milliseconds(time, "--time")
    var status: Int32 = 0
    for container in containers {
      let answer = try await session.request(
        ContainerWait.self, .init(container: container, until: condition, timeoutMs: timeout))
      if session.terminal.isJSON {
        session.terminal.printJSON(answer)
      } else if let text = answer.line ?? answer.exit.map({ "\($0.code)" }) {
        session.terminal.print(text)
      }
      status = Int32(clamping: answer.exit?.code ?? 0)
    }
    return status
  }
}
