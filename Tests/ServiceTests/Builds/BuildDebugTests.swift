import Glibc
import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("Instructions of builds that are kept to look into them")
struct BuildDebugTests {
  private static let file = """
    FROM busybox:1 AS tools
    RUN echo tool > /tool
    FROM busybox:1
    ARG WHO=me
    ENV PLACE=/work
    WORKDIR /work
    USER user
    USER root
    RUN --mount=from=tools,source=/tool,target=/t \\
        --mount=type=secret,id=key --mount=type=tmpfs,target=/scratch \\
        echo $WHO > half; rm /etc/group; exit 3
    """

  private static let secrets = [BuildSecret(id: "key", value: "hidden")]

  @Test(
    "the RUN that failed: its files, its mounts, its variables and its directory; gone with the session",
    arguments: Account.available)
  func failed(account: Account) async throws {
    try await withBuildContext(account) { context in
      let service = context.service
      let other = try await context.store.service()
      let elsewhere = BuildContext(store: context.store, service: other)
      let error = try await elsewhere.failure(Self.file) {
        $0.debug = BuildDebug()
        $0.secrets = Self.secrets
      }
      #expect(error.data?.kind == .buildFailed && error.message.hasPrefix("Dockerfile:9:1: RUN: "))
      let id = try #require(error.data?.container)
      let changes = try await other.send(ContainerDiff.self, .init(container: id)).changes
      #expect(changes.contains { $0.path == "/work/half" && $0.kind == .added })
      #expect(changes.contains { $0.path == "/etc/group" && $0.kind == .deleted })
      let kept = try await other.send(ContainerInspect.self, .init(container: id))
      #expect(kept.container.state == .created && kept.container.command == ["/bin/sh"])
      #expect(kept.creation.lifetime == .session)
      _ = try await other.send(ContainerStart.self, .init(container: id))
      let seen = try await other.exec(
        id, ["sh", "-c", "pwd; cat half /t /run/secrets/key; echo $WHO $PLACE; ls /scratch; hostname"])
      #expect(seen.stdout == "/work\nme\ntool\nhiddenme /work\nbuild\n")
      // Another service sees it too, until the session is over; then nothing is left, its image and its secrets neither.
      let images = try await context.images()
      #expect(images.unnamed == 1)
      let secrets = context.store.run.appending("build-secrets").string
      let found1 = try await ChildProcess.run(["ls", secrets]).text.isEmpty
      #expect(found1 == false)
      #expect(await other.stop() == 0)
      let left = try await service.send(ContainerList.self, .init(all: true)).containers
      #expect(left.isEmpty)
      let after = try await context.images()
      #expect(after.unnamed == 0)
      let found2 = try await ChildProcess.run(["ls", secrets]).text.isEmpty
      #expect(found2)
      let leftovers = try await service.send(SystemPrune.self, .init(kinds: [.content, .remains]))
      #expect(leftovers.items.isEmpty, "\(leftovers.items)")
    }
  }

  @Test("without asking for it, nothing is kept", arguments: Account.available)
  func notAsked(account: Account) async throws {
    try await withBuildContext(account) { context in
      let error = try await context.failure(Self.file) { $0.secrets = Self.secrets }
      #expect(error.data?.container == nil)
      let left = try await context.service.send(ContainerList.self, .init(all: true)).containers
      #expect(left.isEmpty)
      let found3 = try await context.images().unnamed
      #expect(found3 == 0)
    }
  }

  @Test(
    "the build stops in front of a line, or behind it, also where it comes from the cache",
    arguments: Account.available)
  func stops(account: Account) async throws {
    try await withBuildContext(account) { context in
      let file = """
        FROM busybox:1
        COPY src /src
        RUN echo made \\
          > /made
        USER user
        """
      for round in 0..<2 {
        let cases: [(line: Int, after: Bool, seen: String)] = [
          (1, false, "no src, no made\n"), (2, false, "no src, no made\n"), (2, true, "src, no made\n"),
          (3, false, "src, no made\n"), (4, true, "src, made\n"), (5, false, "src, made\n"),
        ]
        for (line, after, expected) in cases {
          let error = try await context.failure(file) { $0.debug = BuildDebug(line: line, after: after) }
          #expect(error.message.contains("stopped"), "\(error.message)")
          let id = try #require(error.data?.container, "\(round) \(line): \(error.message)")
          _ = try await context.service.send(ContainerStart.self, .init(container: id))
          let look =
            "[ -e /src ] && echo -n 'src, ' || echo -n 'no src, '; [ -e /made ] && echo made || echo no made"
          let seen = try await context.service.exec(id, ["sh", "-c", look])
          #expect(seen.stdout == expected, "\(line) \(after)")
          let changes = try await context.service.send(ContainerDiff.self, .init(container: id)).changes
          #expect(changes.isEmpty, "\(changes)")
          _ = try await context.service.send(ContainerRemove.self, .init(container: id, force: true))
        }
        let last = try await context.failure(file) { $0.debug = BuildDebug(line: 5, after: true) }
        let id = try #require(last.data?.container)
        _ = try await context.service.send(ContainerStart.self, .init(container: id))
        let found4 = try await context.service.exec(id, ["id", "-u"]).stdout
        #expect(found4 == "1000\n")
        _ = try await context.service.send(ContainerRemove.self, .init(container: id, force: true))
        let found5 = try await context.images().unnamed
        #expect(found5 == round)
        // The second time, all of it is cached.
        if round == 0 { _ = try await context.build(file) }
      }
      let wrong = try await context.failure("# nothing\nFROM busybox:1") { $0.debug = BuildDebug(line: 1) }
      #expect(wrong.data?.kind == .invalidArgument && wrong.data?.hint?.contains("line 2") == true)
    }
  }

  @Test("a COPY that fails shows what it would have found; of stages that fail at once, one is kept")
  func others() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let error = try await context.failure("FROM busybox:1\nRUN echo x > /x\nCOPY nope /") {
        $0.debug = BuildDebug()
      }
      #expect(error.data?.kind == .invalidArgument)
      let id = try #require(error.data?.container)
      _ = try await context.service.send(ContainerStart.self, .init(container: id))
      let found6 = try await context.service.exec(id, ["cat", "/x"]).stdout
      #expect(found6 == "x\n")
      _ = try await context.service.send(ContainerRemove.self, .init(container: id, force: true))
      let file = """
        FROM busybox:1 AS a
        RUN exit 1
        FROM busybox:1 AS b
        RUN exit 2
        FROM busybox:1
        COPY --from=a / /a
        COPY --from=b / /b
        """
      let both = try await context.failure(file) { $0.debug = BuildDebug() }
      #expect(both.data?.kind == .buildFailed)
      let kept = try await context.service.send(ContainerList.self, .init(all: true)).containers
      #expect(kept.count == 1)
    }
  }

  @Test("what a killed service has kept goes with the next one", arguments: Account.available)
  func killed(account: Account) async throws {
    try await withBuildContext(account) { context in
      let dying = try await context.store.service("dying")
      let error = try await BuildContext(store: context.store, service: dying).failure(Self.file) {
        $0.debug = BuildDebug()
        $0.secrets = Self.secrets
      }
      let id = try #require(error.data?.container)
      _ = try await context.service.send(EventSubscribe.self, .init(kinds: ["container."]))
      dying.process.kill(SIGKILL)
      await dying.waitForExit()
      let next = try await context.store.service("next")
      #expect(await context.service.notifications.event("container.removed", subject: id) != nil)
      #expect(await next.stop() == 0)
      let found7 = try await context.images().unnamed
      #expect(found7 == 0)
      let secrets = context.store.run.appending("build-secrets").string
      let found8 = try await ChildProcess.run(["ls", secrets]).text.isEmpty
      #expect(found8)
    }
  }

  @Test("at the REPL: a shell at a terminal, and a name without one")
  func repl() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      try await context.script(
        "printf 'FROM busybox:1\\nRUN echo part > /part; false\\n' > context/Dockerfile")
      let result = try await context.store.runProgram(
        "coracle-repl", ["-c", "build --network none --debug \(context.path)"])
      #expect(result.status == .exited(1))
      #expect(result.errorText.contains("kept as build-"), "\(result.errorText)")
      let found9 = try await context.images().unnamed
      #expect(found9 == 0)
    }
  }

  @Test(
    "of caches, those that are one RUN's at a time can only be read, and none is pruned meanwhile",
    arguments: Account.available)
  func caches(account: Account) async throws {
    try await withBuildContext(account) { context in
      let service = context.service
      let error = try await context.failure(
        """
        FROM busybox:1
        RUN --mount=type=cache,id=own,sharing=locked,target=/own --mount=type=cache,id=all,target=/all \
          echo x > /own/x; echo x > /all/x; exit 3
        """
      ) { $0.debug = BuildDebug() }
      let id = try #require(error.data?.container)
      _ = try await service.send(ContainerStart.self, .init(container: id))
      let seen = try await service.exec(
        id, ["sh", "-c", "cat /own/x /all/x; echo y > /all/x; (echo y > /own/x) 2>/dev/null || echo no"])
      #expect(seen.stdout == "x\nx\nno\n")
      // The next build has it at once.
      let output = FoundDigest()
      _ = try await context.build(
        "FROM busybox:1\nRUN --mount=type=cache,id=own,sharing=locked,target=/own cat /own/x", output: output)
      #expect(output.text == "#2 x\n")
      let other = try await context.store.service()
      let plan = try await other.send(SystemPrune.self, .init(kinds: [.cacheMount]))
      #expect(plan.items.isEmpty, "\(plan.items)")
      _ = try await service.send(ContainerRemove.self, .init(container: id, force: true))
      let later = try await other.send(SystemPrune.self, .init(kinds: [.cacheMount]))
      #expect(Set(later.items.compactMap(\.name)) == ["own", "all"])
      #expect(await other.stop() == 0)
    }
  }
}
