import Foundation
import RPCModel
import TestSupport
import Testing

/// Runs what the pages of the project show, in the order they show it.
@Suite("README and tutorial are true")
struct ReadmeTests {
  @Test(
    "each command in a shell and at the REPL's prompt works and prints what is said, and so does each message",
    arguments: ["README.md", "docs/tutorial.md"], Account.available)
  func commands(page: String, account: Account) async throws {
    let transcript = try Transcript(page)
    #expect(transcript.steps.count > 15)
    #expect(transcript.steps.contains { !$0.output.isEmpty })
    try await withHub(account) { store in
      try await transcript.run(in: store)
      let rest = try await store.runProgram("coracle-repl", ["-c", "ps"])
      #expect(rest.text.split(separator: "\n").count == 1, "\(page) leaves something running: \(rest.text)")
    }
  }

  /// With a registry of this machine's in the place of Docker Hub, which has busybox.
  private func withHub(_ account: Account, _ body: @Sendable (TestStore) async throws -> Void) async throws {
    try await withDockerRegistry { registry in
      try await withTestStore(account) { store in
        let service = try await store.service()
        _ = try await service.importBusybox(store)
        _ = try await service.send(
          ImagePush.self, .init(image: "busybox:1", destination: "\(registry.host)/library/busybox:1"))
        #expect(await service.stop() == 0)
      }
      try await withTestStore(account) { store in
        let settings = #"{"registries": {"docker.io": {"mirrors": ["http://\#(registry.host)"]}}}"#
        let made = try await ChildProcess.run(
          store.account.launcher + [
            "sh", "-c", "mkdir -p .config/coracle; cat > .config/coracle/config.json",
          ],
          workingDirectory: store.directory, input: .bytes(Array(settings.utf8)))
        #expect(made.succeeded, "\(made.errorText)")
        try await body(store)
        // What builds have made of networks is root's on this machine.
        let removed = try await store.runProgram("coracle-repl", ["-c", "network rm bridge"])
        #expect(removed.status == .exited(0) || removed.errorText.contains("no such network"))
      }
    }
  }

  @Test("the settings that it shows are taken")
  func settings() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let file = store.directory.appending("config.json")
      try file.write(Transcript("README.md").lines("json").joined(separator: "\n").utf8)
      #expect(try await ChildProcess.run(["chmod", "644", file.string]).succeeded)
      let result = try await store.runProgram(
        "coracle", ["serve", "--config", file.string, "--framing", "lines"])
      #expect(result.errorText.isEmpty, "\(result.errorText)")
    }
  }

  @Test("each target of make that it names is there")
  func targets() throws {
    let makefile = try String(contentsOf: Transcript.root.appending(path: "Makefile"), encoding: .utf8)
    for line in try Transcript("README.md").lines("sh") where line.hasPrefix("make ") {
      let target = line.split(separator: " ")[1]
      #expect(makefile.contains("\n\(target): "), "make \(target)")
    }
  }

  @Test(
    "each file that a page links to is there",
    arguments: [
      "README.md", "ARCHITECTURE.md", "docs/tutorial.md", "docs/operations.md", "docs/threat-model.md",
    ])
  func links(page: String) throws {
    let place = Transcript.root.appending(path: page).deletingLastPathComponent()
    let text = try String(contentsOf: Transcript.root.appending(path: page), encoding: .utf8)
    for match in text.matches(of: #/\]\(([^)#:]+)\)/#) {
      let target = place.appending(path: String(match.1)).path(percentEncoded: false)
      #expect(FileManager.default.fileExists(atPath: target), "\(page) links to \(match.1)")
    }
  }

  /// Each module of the package, and each folder of clients and tests that has a purpose of its own.
  @Test("ARCHITECTURE.md names each module, and no other")
  func modules() throws {
    let text = try String(contentsOf: Transcript.root.appending(path: "ARCHITECTURE.md"), encoding: .utf8)
    let table = text.components(separatedBy: "\n## ").first { $0.hasPrefix("Where things are") } ?? ""
    let files = FileManager.default
    for (folder, prefix) in [("Sources", ""), ("clients", "clients/")] {
      for name in try files.contentsOfDirectory(atPath: Transcript.root.appending(path: folder).path()) {
        #expect(
          table.contains("`\(prefix)\(name)`") || table.contains("`\(folder)/\(name)`"), "\(folder)/\(name)")
      }
    }
    for match in table.matches(of: #/`((?:Sources|clients|protocol|docs|bench|demo|Tests)[\w\/-]*)`/#) {
      #expect(files.fileExists(atPath: Transcript.root.appending(path: String(match.1)).path()), "\(match.1)")
    }
  }

  @Test("the picture of the REPL is what a session looks like today")
  func recording() async throws {
    let account = try #require(Account.available.first)
    let made = try await withTestStore(account) { store in
      let picture = store.directory.appending("repl.svg")
      let programs = try Programs.directory.get()
      let result = try await ChildProcess.run([
        "/usr/bin/env", "CORACLE_BUILD=\(programs)",
        Transcript.root.appending(path: "docs/recording/record").path(),
        picture.string,
      ])
      #expect(result.succeeded, "\(result.text)\(result.errorText)")
      return try String(decoding: picture.readAll(), as: UTF8.self)
    }
    let committed = try String(
      contentsOf: Transcript.root.appending(path: "docs/recording/repl.svg"), encoding: .utf8)
    let (now, then) = (Self.words(made), Self.words(committed))
    #expect(now == then, "make it anew: docs/recording/record")
    #expect(then.count > 20)
  }

  /// The text of a picture without what is different each time: digests, sizes and times, and the columns that follow from them.
  private static func words(_ picture: String) -> [String] {
    picture.matches(of: #/<text [^>]*>(.*)<\/text>/#).map { match in
      String(match.1).replacing(#/[0-9a-f]{12}|\d[\d.]*( [kMG]?B\b| (?:second|minute)s?)?/#, with: "0")
        .split(separator: " ").joined(separator: " ")
    }
  }
}
