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
    let timeout = time.flatMap { Int(exactly: ($0 * 1000).rounded()) }
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

struct Wait: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Wait until containers have exited, and say with what. The status is the last one's.")
  static var completes: [NameKind] { [.runningContainers] }
  @Argument(help: "The containers.") var containers: [String]
  @Option(name: [.customShort("t"), .long], help: "Seconds after which waiting fails.") var time: Double?

  func run(_ session: REPLSession) async throws -> Int32 {
    let timeout = time.flatMap { Int(exactly: ($0 * 1000).rounded()) }
    var status: Int32 = 0
    for container in containers {
      let answer = try await session.request(
        ContainerWait.self, .init(container: container, timeoutMs: timeout))
      if session.terminal.isJSON {
        session.terminal.printJSON(answer)
      } else {
        session.terminal.print("\(answer.exit?.code ?? 0)")
      }
      status = Int32(clamping: answer.exit?.code ?? 0)
    }
    return status
  }
}
