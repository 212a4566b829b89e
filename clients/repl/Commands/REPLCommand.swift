import ArgumentParser
import RPCModel

/// One command: its words are its stored properties, and running it is talking to the service.
protocol REPLCommand: ParsableCommand, Sendable {
  /// What its arguments can name, for completion.
  static var completes: [NameKind] { get }

  /// - Returns: the status: 0, or a container's exit code.
  func run(_ session: REPLSession) async throws -> Int32
}

enum NameKind {
  case images
  case containers
  case runningContainers
  case files
}

extension REPLCommand {
  static var completes: [NameKind] { [] }
}
