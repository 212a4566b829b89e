import ArgumentParser
import RPCModel

/// One command: its words are its stored properties, and running it is talking to the service.
protocol REPLCommand: ParsableCommand, Sendable {
  /// What each of its arguments can name, for completion.
  static var completes: [NameKind] { get }
  /// The same for each place, and `completesBehind` for those behind; nil where all are alike.
  static var completesInOrder: [[NameKind]]? { get }
  static var completesBehind: [NameKind] { get }

  /// - Returns: the status: 0, or a container's exit code.
  func run(_ session: REPLSession) async throws -> Int32
}

enum NameKind {
  case images
  case containers
  case runningContainers
  case volumes
  case networks
  case files
  /// A file here, or one in a container, behind its name.
  case places
  /// One in the container that the first argument names.
  case containerFiles
  /// One of these.
  case words([String])
}

extension REPLCommand {
  static var completes: [NameKind] { [] }
  static var completesInOrder: [[NameKind]]? { nil }
  static var completesBehind: [NameKind] { [] }
}

extension REPLSession {
  /// Does the same for each of several names; what fails for one is said, and the others are gone on with, unless Ctrl-C
  /// ended it.
  ///
  /// - Returns: the status: that of the last one that failed, 130 when it was cancelled.
  func each(_ names: [String], _ body: (String) async throws -> Void) async -> Int32 {
    var status: Int32 = 0
    for name in names {
      do { try await body(name) } catch {
        terminal.print(error: error)
        status = connection.isClosed ? 130 : ErrorText.status(error)
        if status == 130 { return status }
      }
    }
    return status
  }
}
