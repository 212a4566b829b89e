import Foundation
import RPCModel
import TestSupport
import Testing

/// Runs what README.md shows, in the order it shows it.
@Suite("The README is true")
struct ReadmeTests {
  private func readme() throws -> [Substring] {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false)
  }

  /// The lines of all fenced blocks of a language.
  private func lines(_ language: String) throws -> [String] {
    var found: [String] = []
    var isInside = false
    for line in try readme() {
      if line.hasPrefix("```") {
        isInside = line == "```\(language)"
      } else if isInside {
        found.append(String(line))
      }
    }
    return found
  }

  @Test("each command at the REPL's prompt works, and so does each message", arguments: Account.available)
  func commands(account: Account) async throws {
    let prompt = "coracle> "
    let console = try lines("console")
    let typed = console.filter { $0.hasPrefix(prompt) }.map { String($0.dropFirst(prompt.count)) }
    #expect(typed.count > 5)
    try await withTestStore(account) { store in
      let archive = try lines("sh").filter { $0.contains("root") || $0.contains("tar ") }
      #expect(archive.count > 3)
      let made = try await ChildProcess.run(
        store.account.launcher + ["sh", "-ec", archive.joined(separator: "\n")],
        workingDirectory: store.directory)
      #expect(made.succeeded, "\(made.errorText)")
      for command in typed {
        let result = try await store.runProgram("coracle-repl", ["-c", command])
        #expect(result.status == .exited(0), "\(command): \(result.errorText)")
        if let index = console.firstIndex(of: prompt + command), index + 1 < console.count,
          !console[index + 1].hasPrefix(prompt), !console[index + 1].hasPrefix("$")
        {
          #expect(result.text == console[index + 1] + "\n")
        }
      }
      let messages = console.filter { $0.hasPrefix("{") }
      #expect(messages.count >= 2)
      // In the session that the first message opens, and then each in its turn.
      let service = try await store.service()
      for message in messages.dropFirst() {
        guard
          case .request(_, .containerRun(let params))? = try? JSONDecoder().decode(
            MessageToService.self, from: Data(message.utf8))
        else {
          Issue.record("not the request that this test knows: \(message)")
          continue
        }
        #expect(try await service.send(ContainerRun.self, params).exit?.code == 0)
      }
      #expect(await service.stop() == 0)
      for command in try lines("sh") where command.hasPrefix("coracle repl ") {
        let words = try await ChildProcess.run(
          ["sh", "-c", "for word in \(command.dropFirst("coracle repl ".count)); do echo \"$word\"; done"])
        let result = try await store.runProgram(
          "coracle", ["repl"] + words.text.split(separator: "\n").map(String.init))
        #expect(result.status == .exited(0), "\(command): \(result.errorText)")
      }
    }
  }

  @Test("the settings that it shows are taken")
  func settings() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let file = store.directory.appending("config.json")
      try file.write(lines("json").joined(separator: "\n").utf8)
      #expect(try await ChildProcess.run(["chmod", "644", file.string]).succeeded)
      let result = try await store.runProgram(
        "coracle", ["serve", "--config", file.string, "--framing", "lines"])
      #expect(result.errorText.isEmpty, "\(result.errorText)")
    }
  }

  @Test("each target of make that it names is there")
  func targets() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let makefile = try String(contentsOf: root.appending(path: "Makefile"), encoding: .utf8)
    for line in try lines("sh") where line.hasPrefix("make ") {
      let target = line.split(separator: " ")[1]
      #expect(makefile.contains("\n\(target): "), "make \(target)")
    }
  }
}
