import Foundation
import RPCModel
import TestSupport
import Testing

/// What a page of the project shows of sessions: the fenced blocks of the language `console`.
///
/// A line behind `$` is a shell's and one behind `coracle>` the REPL's; what is below it is what it prints, where anything is.
/// There `…` stands for any text, and alone on a line for any lines.
struct Transcript {
  struct Step {
    var isShell: Bool
    var command: String
    var output: [String] = []
  }
  private(set) var steps: [Step] = []
  private let text: String

  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// - Parameter page: its path in the project.
  init(_ page: String) throws {
    text = try String(contentsOf: Self.root.appending(path: page), encoding: .utf8)
    for line in lines("console") {
      if line.hasPrefix("$ ") {
        steps.append(Step(isShell: true, command: String(line.dropFirst(2))))
      } else if line.hasPrefix("coracle> ") {
        steps.append(Step(isShell: false, command: String(line.dropFirst(9))))
      } else if !steps.isEmpty {
        steps[steps.count - 1].output.append(line)
      }
    }
  }

  /// The lines of all fenced blocks of a language.
  func lines(_ language: String) -> [String] {
    var found: [String] = []
    var isInside = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("```") {
        isInside = line == "```\(language)"
      } else if isInside {
        found.append(String(line))
      }
    }
    return found
  }

  /// Runs every step in the store's directory, and compares what it prints.
  func run(in store: TestStore) async throws {
    for step in steps {
      let isSession = step.output.first?.hasPrefix("{\"jsonrpc\"") ?? false
      if isSession {
        try await send(step.output, in: store)
        continue
      }
      let result =
        step.isShell
        ? try await shell(step.command, in: store)
        : try await store.runProgram("coracle-repl", ["-c", step.command])
      #expect(result.status == .exited(0), "\(step.command): \(result.text)\(result.errorText)")
      if step.output.isEmpty { continue }
      let pattern = try Regex(step.output.map(Self.pattern).joined())
      #expect(
        try pattern.wholeMatch(in: result.text) != nil,
        "\(step.command) is said to print\n\(step.output.joined(separator: "\n"))\nand prints\n\(result.text)"
      )
    }
  }

  private static func pattern(_ line: String) -> String {
    if line == "…" { return "(?:.*\\n)*" }
    return line.components(separatedBy: "…").map(NSRegularExpression.escapedPattern).joined(separator: ".*")
      + "\\n"
  }

  private func shell(_ command: String, in store: TestStore) async throws -> ChildProcess.Result {
    let variables = [
      "PATH=\(try Programs.directory.get()):/usr/bin:/bin", "HOME=\(store.directory)", "LANG=C.UTF-8",
      "CORACLE_STORE=\(store.store)", "CORACLE_RUN=\(store.run)", "NO_COLOR=1",
    ]
    return try await ChildProcess.run(
      store.account.launcher + ["/usr/bin/env", "-i"] + variables + ["sh", "-c", command],
      workingDirectory: store.directory)
  }

  /// Sends messages behind the first, which opens a session, each in its turn.
  private func send(_ messages: [String], in store: TestStore) async throws {
    let service = try await store.service()
    for message in messages.dropFirst() {
      guard
        case .request(_, .containerRun(let params))? = try? JSONDecoder().decode(
          MessageToService.self, from: Data(message.utf8))
      else {
        Issue.record("not the request that this test knows: \(message)")
        continue
      }
      let result = try await service.send(ContainerRun.self, params)
      #expect(result.exit?.code == 0)
    }
    #expect(await service.stop() == 0)
  }
}
