import Foundation
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

@Suite("A build is a graph of steps")
struct BuildGraphTests {
  @Test("what RUNs write at once arrives whole, line by line", arguments: Account.available)
  func lines(account: Account) async throws {
    try await withBuildContext(account) { context in
      let names = (0..<8).map { "s\($0)" }
      var file = ""
      for name in names {
        file += "FROM busybox:1 AS \(name)\nRUN for i in $(seq 300); do echo \(name) $i; done\n"
      }
      file += "FROM busybox:1\n"
      for name in names { file += "COPY --from=\(name) /etc/passwd /\(name)\n" }
      let output = FoundDigest()
      _ = try await context.build(file, output: output)
      let lines = output.text.split(separator: "\n")
      for (index, name) in names.enumerated() {
        let prefix = "#\(2 * index + 2) "
        let own = lines.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count) }
        #expect(own == (1...300).map { "\(name) \($0)" }, "\(name)")
      }
    }
  }

  @Test(
    "stages that need nothing of each other run at once, those that nobody needs never, and each instruction is a task",
    arguments: Account.available)
  func graph(account: Account) async throws {
    try await withBuildContext(account) { context in
      // Each of two waits for a file of the other's, in a cache that both have: one after the other they would never end.
      let meeting = "--mount=type=cache,id=meeting,target=/m"
      func stage(_ name: String, _ other: String) -> String {
        """
        FROM busybox:1 AS \(name)
        RUN \(meeting) touch /m/\(name); for i in $(seq 6000); do test -e /m/\(other) && break; sleep 0.05; done; test -e /m/\(other) || exit 9; echo \(name) > /\(name)
        """
      }
      let file = """
        \(stage("left", "right"))
        FROM busybox:1 AS unused
        RUN false
        \(stage("right", "left"))
        FROM left AS target
        COPY --from=right /right /
        RUN cat /left /right > /both
        FROM target AS never
        RUN false
        """
      let service = context.service
      let built = try await context.build(file, references: ["both:1"]) { $0.target = "target" }
      #expect(built.steps.map(\.stage) == ["left", "left", "right", "right", "target", "target", "target"])
      let seen = try await service.run("both:1", ["cat", "/both"])
      #expect(seen.stdout == "left\nright\n")
      let titles = service.notifications.tasks.map(\.title)
      for step in built.steps where step.ordinal > 0 {
        #expect(
          titles.contains { $0.hasPrefix("#\(step.number) [\(step.stage) \(step.ordinal)/") },
          "\(step.instruction): \(titles)")
      }
      let ended = service.notifications.all.count {
        if case .taskFinished(let task) = $0 { task.outcome == .succeeded } else { false }
      }
      #expect(ended >= 5)

      // One that fails ends the one beside it, which would never end by itself.
      let error = await #expect(throws: RPCError.self) {
        _ = try await context.build(
          """
          FROM busybox:1 AS waits
          RUN \(meeting) touch /m/waits; while :; do sleep 0.05; done
          FROM busybox:1 AS fails
          RUN \(meeting) for i in $(seq 6000); do test -e /m/waits && exit 7; sleep 0.05; done; exit 9
          FROM scratch
          COPY --from=waits / /a
          COPY --from=fails / /b
          """)
      }
      #expect(error?.message.contains("failed with exit code 7") == true, "\(error?.message ?? "")")
    }
  }

  @Test(
    "what two stages have in common is carried out once, and its failure is one", arguments: Account.available
  )
  func once(account: Account) async throws {
    try await withBuildContext(account) { context in
      let count = "--mount=type=cache,id=count,target=/c"
      func file(_ end: String) -> String {
        func stage(_ name: String) -> String {
          "FROM busybox:1 AS \(name)\nRUN \(count) echo x >> /c/f; sleep 0.2; cat /c/f > /f\(end)\nRUN echo more >> /f"
        }
        return """
          \(stage("a"))
          \(stage("b"))
          RUN echo b >> /f
          FROM busybox:1
          COPY --from=a /f /a
          COPY --from=b /f /b
          """
      }
      for noCache in [false, true] {
        let built = try await context.build(file(""), references: ["once:1"]) { $0.noCache = noCache }
        let seen = try await context.service.run("once:1", ["sh", "-c", "cat /a; echo; cat /b"])
        let runs = noCache ? "x\nx\nmore\n" : "x\nmore\n"
        #expect(seen.stdout == runs + "\n" + runs + "b\n", "\(seen.stdout)")
        let common = built.steps.filter { $0.stage != "2" && $0.ordinal == 1 }
        #expect(common.count == 2 && Set(common.compactMap(\.layer)).count == 1)
        #expect(common.count { $0.durationMs != nil } == 1)
        #expect(common.count { $0.reasons?.last?.hasPrefix("it is carried out once, as #") == true } == 1)
      }
      let again = try await context.build(file(""))
      #expect(again.areAllCached)
      let error = try await context.failure(file("; exit 5"))
      #expect(
        error.data?.kind == .buildFailed && error.message.contains("failed with exit code 5"),
        "\(error.message)")
    }
  }
}
