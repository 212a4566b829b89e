import Foundation
import OCIModel
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

@Suite("Builds")
struct BuildTests {
  /// Runs `body` with a service that has `busybox:1`, and an empty context of the account's.
  private func withContext(
    _ account: Account, _ body: @Sendable (BuildContext) async throws -> Void
  ) async throws {
    try await withBuildContext(account, body)
  }

  @Test(
    "stages, arguments, copies, heredocs and all that an image says of itself", arguments: Account.available)
  func whole(account: Account) async throws {
    try await withContext(account) { context in
      let built = try await context.build(
        """
        ARG BASE=busybox:1
        FROM ${BASE} AS build
        ARG VERSION=1
        ENV V=$VERSION PLACE=/app
        WORKDIR $PLACE/work
        COPY src/ in/
        RUN cat in/a in/b > /result && echo "$V $VERSION" >> /result
        RUN <<EOF
        set -e
        echo here $V >> /result
        EOF

        FROM busybox:1 AS unused
        RUN false

        FROM busybox:1
        COPY --from=build --chown=user --chmod=640 /result /srv/
        COPY <<-TEXT /srv/text
        	$UNSET-text
        TEXT
        LABEL a.b="c d"
        USER user
        EXPOSE 80 53/udp
        VOLUME /data
        STOPSIGNAL SIGINT
        HEALTHCHECK --interval=1m --start-interval=2s --retries=4 CMD ["true"]
        ONBUILD COPY x /
        ENTRYPOINT ["cat"]
        CMD ["/srv/result"]
        """, references: ["app:1", "app:2"]
      ) { $0.arguments = ["VERSION": "7"] }
      #expect(built.image.references == ["docker.io/library/app:1", "docker.io/library/app:2"])
      // The stage that nobody needs is not there.
      #expect(!built.steps.contains { $0.instruction == "RUN false" })
      let service = context.service
      let output = try await service.run("app:1", []) { $0.command = nil }
      #expect(output.stdout == "one\ntwo\n7 7\nhere 7\n")
      let seen = try await service.run("app:1", []) {
        $0.entrypoint = ["stat"]
        $0.command = ["-c", "%u:%g %a %Y", "/srv/result", "/srv/text", "/srv"]
      }
      #expect(seen.stdout == "1000:1000 640 315532800\n0:0 644 315532800\n1000:1000 755 315532800\n")
      let config = try await service.send(ImageInspect.self, .init(image: "app:1")).config
      #expect(config.entrypoint == ["cat"] && config.command == ["/srv/result"] && config.user == "user")
      #expect(config.exposedPorts == ["53/udp", "80/tcp"] && config.volumes == ["/data"])
      #expect(config.labels == ["a.b": "c d"] && config.stopSignal == "SIGINT")
      #expect(config.healthCheck?.test == ["CMD", "true"] && config.healthCheck?.retries == 4)
      #expect(config.onBuild == ["COPY x /"])
      let history = try await service.send(ImageHistory.self, .init(image: "app:1")).entries
      #expect(history.first?.createdBy == #"CMD ["/srv/result"]"#)
      #expect(built.steps.allSatisfy { !$0.cached || $0.ordinal == 0 })
    }
  }

  @Test(
    "a second build takes all from the cache; after a change, nothing after it, and it says why",
    arguments: Account.available)
  func cache(account: Account) async throws {
    try await withContext(account) { context in
      let file = """
        FROM busybox:1
        ARG WHO=me
        RUN echo $WHO > /who
        COPY src /src
        RUN ls /src > /list
        """
      let first = try await context.build(file)
      #expect(first.steps.map(\.cached) == [true, false, false, false, false])
      let again = try await context.build(file)
      #expect(again.areAllCached)
      #expect(again.image.digest == first.image.digest)
      // Another service shares it, and times count for nothing.
      try await context.script("touch -d 2001-01-01 context/src/a")
      let other = try await context.store.service()
      let elsewhere = BuildContext(store: context.store, service: other)
      let found1 = try await elsewhere.build(file).areAllCached
      #expect(found1)
      #expect(await other.stop() == 0)

      try await context.script(
        "echo three > context/src/b; chmod 700 context/src/a; echo new > context/src/c")
      let explained = try await context.explain(file)
      #expect(explained.map(\.cached) == [true, true, true, false, false])
      #expect(
        explained[3].reasons == ["src/a was 644 and is 700", "src/b has other content", "src/c is new"])
      #expect(explained[4].reasons == ["an instruction before it is not cached"])
      for step in explained[2...3] {
        #expect(step.lastDurationMs != nil && step.lastRunAt != nil && (step.lastLayerSize ?? 0) > 0)
      }
      // What is told before is what happens.
      let changed = try await context.build(file)
      #expect(changed.steps.map(\.cached) == explained.map(\.cached))
      #expect(changed.steps[3].reasons == explained[3].reasons)

      let argument = try await context.explain(file) { $0.arguments = ["WHO": "you"] }
      #expect(argument[1].reasons == ["argument WHO was 'me' and is 'you'"])
      let reworded = try await context.explain(file.replacing("ls /src", with: "ls -l /src"))
      #expect(reworded[4].reasons == ["the instruction was RUN ls /src > /list"])
    }
  }

  @Test(
    "the same inputs give the same image in another store, and SOURCE_DATE_EPOCH is its time",
    arguments: Account.available)
  func reproducible(account: Account) async throws {
    let file = """
      FROM busybox:1
      WORKDIR /w
      COPY . .
      RUN mkdir d && echo x > d/f && ln d/f d/g && rm /etc/group
      """
    // The image below is imported anew each time, and says so in its history: only layers are compared then.
    try await withContext(account) { context in
      let first = try await context.layers(file)
      let second = try await context.layers(file) { $0.noCache = true }
      #expect(first == second)
      try await withTestStore(account) { store in
        let service = try await store.service()
        _ = try await service.importBusybox(
          store, "ln -s busybox bin/stat; ln -s busybox bin/find; ln -s busybox bin/seq")
        let other = BuildContext(store: store, service: service)
        try await other.script("mkdir -p context/src; echo two > context/src/b; echo one > context/src/a")
        let elsewhere = try await other.layers(file)
        #expect(Array(elsewhere.dropFirst()) == Array(first.dropFirst()))
        #expect(await service.stop() == 0)
      }
      let built = try await context.build(file, references: ["e:1"]) {
        $0.arguments = ["SOURCE_DATE_EPOCH": "1000000000"]
      }
      #expect(built.image.createdAt?.hasPrefix("2001-09-09T01:46:40") == true)
      let seen = try await context.service.run("e:1", ["stat", "-c", "%Y", "/w/d/f", "/w/src/a"])
      #expect(seen.stdout == "1000000000\n1000000000\n")
    }
  }

  @Test(
    "mounts: a bind of what is not ignored, a cache that stays, a secret that leaves nothing",
    arguments: Account.available)
  func mounts(account: Account) async throws {
    try await withContext(account) { context in
      try await context.script(
        "printf 'b\\n' > context/.dockerignore.tmp; echo '**/b' > context/.dockerignore; rm context/.dockerignore.tmp"
      )
      let output = FoundDigest()
      let built = try await context.build(
        """
        FROM busybox:1 AS tools
        RUN echo tool > /tool
        FROM busybox:1
        RUN --mount=type=bind,target=/context ls /context/src
        RUN --mount=type=bind,target=/context echo no > /context/x || echo read-only
        RUN --mount=from=tools,source=/tool,target=/t cat /t
        RUN --mount=type=cache,target=/cache,id=c,sharing=locked echo x >> /cache/f; wc -l < /cache/f
        RUN --mount=type=secret,id=key cat /run/secrets/key
        RUN --mount=type=secret,id=key,env=KEY echo "in $KEY"
        RUN --mount=type=tmpfs,target=/t touch /t/x
        RUN test ! -e /run/secrets/key && test ! -e /context/src && test ! -e /t/x
        """, references: ["m:1"], output: output
      ) { $0.secrets = [BuildSecret(id: "key", value: "hidden")] }
      let lines = output.text.split(separator: "\n").map { $0.drop { $0 != " " }.dropFirst() }
      #expect(lines.contains("a") && !lines.contains("b") && lines.contains("read-only"), "\(output.text)")
      #expect(
        lines.contains("tool") && lines.contains("1") && lines.contains("hidden")
          && lines.contains("in hidden"))
      let history = try await context.service.send(ImageHistory.self, .init(image: "m:1")).entries
      #expect(!history.contains { $0.createdBy?.contains("hidden") == true })
      #expect(built.steps.count == 11)
      // The cache of a RUN is no part of its key, and stays: the second time it has two lines.
      let second = FoundDigest()
      _ = try await context.build(
        "FROM busybox:1\nRUN --mount=type=cache,target=/other,id=c echo y >> /other/f; wc -l < /other/f",
        output: second)
      #expect(second.text == "#2 2\n")
    }
  }

  @Test(
    "bad input: a typed error with file, line and column, and nothing half done", arguments: Account.available
  )
  func refuses(account: Account) async throws {
    try await withContext(account) { context in
      try await context.script(
        "ln -s /etc/passwd context/out; ln -s ../../../etc context/up; echo '*.log' > context/.dockerignore; echo > context/x.log"
      )
      let cases: [(file: String, kind: ErrorKind, message: String)] = [
        ("FROM busybox:1\nRUNN x", .invalidArgument, "Dockerfile:2:1: unknown instruction RUNN"),
        (
          "FROM busybox:1\nCOPY nope /", .invalidArgument,
          "Dockerfile:2:6: COPY: there is no 'nope' in the context"
        ),
        (
          "FROM busybox:1\nCOPY ../x /", .invalidArgument,
          "Dockerfile:2:6: COPY: '../x' is outside of the context"
        ),
        ("FROM busybox:1\nCOPY x.log /", .invalidArgument, "'x.log' is left out of the context"),
        // Links lead to the context's own /etc, which it has not.
        ("FROM busybox:1\nCOPY out /", .invalidArgument, "there is no 'out' in the context"),
        ("FROM busybox:1\nCOPY up/passwd /", .invalidArgument, "there is no 'up/passwd' in the context"),
        (
          "FROM busybox:1 AS a\nCOPY --from=b / /\nFROM busybox:1 AS b\nCOPY --from=a / /", .invalidArgument,
          "Dockerfile:2:6: the stage b comes only later"
        ),
        (
          "FROM busybox:1\nRUN --mount=type=secret,id=k,required cat", .invalidArgument,
          "the secret k is not given"
        ),
        ("FROM busybox:1\nRUN --network=host true", .permissionDenied, "the host's network is not given"),
        (
          "FROM busybox:1\nRUN --security=insecure true", .permissionDenied,
          "Dockerfile:2:1: RUN: --security=insecure"
        ),
        (
          "FROM busybox:1\nADD git://example.invalid/x.git#-y /", .invalidArgument,
          "Dockerfile:2:5: ADD: '-y' is not the name"
        ),
        (
          "FROM busybox:1\nRUN --mount=type=ssh,required true", .invalidArgument,
          "the SSH agent default is not given"
        ),
        ("FROM busybox:1\nCOPY --chown=nobody src /", .invalidArgument, "the image has no user nobody"),
        ("FROM busybox:1\nWORKDIR /bin/busybox/x", .conflict, "/bin/busybox is in the way"),
        ("FROM busybox:1\nRUN nosuchprogram", .buildFailed, "failed with exit code 127"),
        ("FROM busybox:1\nRUN [\"/nope\"]", .buildFailed, "cannot execute /nope"),
      ]
      for (file, kind, message) in cases {
        let error = await #expect(throws: RPCError.self) {
          _ = try await context.build(file, references: ["bad:1"])
        }
        #expect(error?.data?.kind == kind, "\(file): \(error?.message ?? "")")
        #expect(error?.message.contains(message) == true, "\(file): \(error?.message ?? "")")
      }
      let failed = await #expect(throws: RPCError.self) {
        _ = try await context.build(
          "FROM busybox:1\nRUN seq 100; echo last >&2; exit 3", references: ["bad:1"])
      }
      #expect(failed?.message.contains("failed with exit code 3: seq 100") == true)
      #expect(failed?.data?.causes.last == "last" && failed?.data?.causes.count == 20)
      let images = try await context.service.send(ImageList.self, .init()).images
      #expect(images.count == 1)
      // All that those have left is a cache, which is as good as before.
      _ = try await context.build("FROM busybox:1\nCOPY src /", references: ["good:1"])
      let leftovers = try await context.service.send(
        SystemPrune.self, .init(kinds: [.content, .remains, .download]))
      #expect(leftovers.items.isEmpty, "\(leftovers.items)")
    }
  }

  @Test(
    "cancelled, a RUN is gone at once, and what was finished is in the cache", arguments: Account.available)
  func cancel(account: Account) async throws {
    try await withContext(account) { context in
      let service = context.service
      let file = "FROM busybox:1\nRUN echo done > /done\nRUN echo sleeping; sleep 1000"
      let out = service.process.connection.receiver(credit: 1 << 20)
      var params = context.params(file)
      params.output = out.id
      let building = Task { [params] in try await service.send(BuildStart.self, params) }
      for await chunk in out.chunks where String(decoding: chunk, as: UTF8.self).contains("sleeping") {
        break
      }
      let clock = ContinuousClock()
      let begin = clock.now
      building.cancel()
      let error = await #expect(throws: RPCError.self) { _ = try await building.value }
      #expect(error?.data?.kind == .cancelled)
      #expect(clock.now - begin < .seconds(1))
      let explained = try await context.explain(file)
      #expect(explained.map(\.cached) == [true, true, false])
    }
  }

  @Test("a context that comes as a stream, and a Dockerfile that comes as text", arguments: Account.available)
  func stream(account: Account) async throws {
    try await withContext(account) { context in
      try await context.script(
        "echo 'FROM busybox:1\nCOPY src/a /a' > context/Dockerfile; tar -C context -czf context.tgz .")
      let bytes = [UInt8](
        try Data(contentsOf: URL(filePath: context.store.directory.appending("context.tgz").string)))
      let sender = context.service.process.connection.sender()
      let feeding = Task {
        _ = try await sender.send(bytes)
        await sender.close()
      }
      let built = try await context.service.send(
        BuildStart.self, .init(contextStream: sender.id, references: ["s:1"]))
      try await feeding.value
      #expect(built.steps.count == 2)
      let seen = try await context.service.run("s:1", ["cat", "/a"])
      #expect(seen.stdout == "one\n")
    }
  }

  @Test(
    "ADD unpacks archives, FROM scratch begins with nothing, ONBUILD waits for the next build",
    arguments: Account.available)
  func others(account: Account) async throws {
    try await withContext(account) { context in
      try await context.script("tar -C context -czf context/src.tgz src")
      _ = try await context.build(
        "FROM busybox:1\nADD src.tgz /unpacked\nADD --unpack=false src.tgz /kept/\nONBUILD COPY src/a /triggered",
        references: ["base:1"])
      _ = try await context.build(
        "FROM base:1\nRUN cat /triggered /unpacked/src/b; ls /kept", references: ["child:1"])
      let child = try await context.service.send(ImageInspect.self, .init(image: "child:1")).config
      #expect(child.onBuild == nil)
      let scratch = try await context.build("FROM scratch\nCOPY src/a /etc/a", references: ["scratch:1"])
      #expect(scratch.image.layerCount == 1)
    }
  }

  @Test(
    "ADD fetches a file, once where its checksum is given, and refuses another one",
    arguments: Account.available)
  func remote(account: Account) async throws {
    try await withFaultyServer { server in
      try await withContext(account) { context in
        let bytes = Array("from afar\n".utf8)
        server.on("GET", "/dir/file.txt", .blob(bytes))
        let url = "http://\(server.host)/dir/file.txt?x=1"
        let digest = Digest(of: bytes)
        let file = "FROM busybox:1\nADD --checksum=\(digest) \(url) /got/\nADD \(url) /named"
        _ = try await context.build(file, references: ["r:1"])
        let seen = try await context.service.run(
          "r:1", ["sh", "-c", "cat /got/file.txt; stat -c '%u:%g %a' /named"])
        #expect(seen.stdout == "from afar\n0:0 600\n")
        #expect(server.requests.count == 2)
        let found2 = try await context.build(file).areAllCached
        #expect(found2)
        #expect(server.requests.count == 3)
        for (text, kind) in [
          ("ADD --checksum=\(Digest(of: [])) \(url) /", ErrorKind.digestMismatch),
          ("ADD http://\(server.host)/missing /", .notFound), ("COPY \(url) /", .invalidArgument),
          ("ADD http://\(server.host)/x.git /", .unreachable),
        ] {
          let error = await #expect(throws: RPCError.self) {
            _ = try await context.build("FROM busybox:1\n" + text)
          }
          #expect(error?.data?.kind == kind, "\(text): \(error?.message ?? "")")
        }
      }
    }
  }

  @Test("what builds keep is listed, and prune takes it away with its layers", arguments: Account.available)
  func prune(account: Account) async throws {
    try await withContext(account) { context in
      let service = context.service
      _ = try await context.build("FROM busybox:1\nRUN echo x > /x")
      let image = try await service.send(ImageList.self, .init()).images.first { $0.references.isEmpty }
      _ = try await service.send(ImageRemove.self, .init(image: try #require(image).digest))
      let entries = try await service.send(BuildCacheList.self, .init()).entries
      #expect(entries.map(\.instruction) == ["RUN echo x > /x"])
      // Its layer is nobody's but the cache's, and stays.
      let found3 = try await context.build("FROM busybox:1\nRUN echo x > /x").areAllCached
      #expect(found3)
      let rebuilt = try await service.send(ImageList.self, .init()).images.first { $0.references.isEmpty }
      _ = try await service.send(ImageRemove.self, .init(image: try #require(rebuilt).digest))
      let plan = try await service.send(SystemPrune.self, .init(kinds: [.buildCache]))
      #expect(plan.items.count == 1 && plan.bytes > 0)
      let gone = try await service.send(
        SystemPrune.self, .init(kinds: [.buildCache], apply: plan.items.map(\.id)))
      #expect(gone.items.map(\.outcome) == [.removed])
      let remaining = try await service.send(BuildCacheList.self, .init()).entries
      #expect(remaining.isEmpty)
      let left = try await service.send(SystemPrune.self, .init(kinds: [.content, .remains]))
      #expect(left.items.isEmpty, "\(left.items)")
    }
  }

  @Test("context/list says what is left out, and by which rule")
  func listed() async throws {
    try await withContext(try #require(Account.available.first)) { context in
      try await context.script("printf 'src\\n!src/b\\n' > context/.dockerignore; echo d > context/docs")
      let answer = try await context.service.send(
        ContextList.self, .init(path: context.path))
      let rules = Dictionary(uniqueKeysWithValues: answer.entries.map { ($0.path, $0.ignoredBy) })
      #expect(rules["src/a"] == ".dockerignore:1: src")
      #expect(rules["src/b"] == .some(nil) && rules["docs"] == .some(nil))
    }
  }

  @Test("the REPL builds, shows what RUNs write, and explains")
  func repl() async throws {
    try await withContext(try #require(Account.available.first)) { context in
      try await context.script(
        "printf 'FROM busybox:1\\nCOPY src /src\\nRUN echo hello\\n' > context/Dockerfile")
      let built = try await context.store.runProgram(
        "coracle-repl", ["-c", "build --network none -t r:1 \(context.path)"])
      #expect(built.status == .exited(0), "\(built.errorText)")
      #expect(built.text.hasPrefix("#3 hello\nr:1  "))
      #expect(built.errorText.contains("#3 [0 2/2] RUN echo hello"))
      let explained = try await context.store.runProgram(
        "coracle-repl", ["-c", "build --network none --explain \(context.path)"])
      #expect(
        explained.text.split(separator: "\n").allSatisfy {
          $0.hasPrefix("cached ") || $0.hasPrefix("           the last run: ")
        })
      for (words, said) in [
        ("--explain -o out", "--explain makes nothing that --output could be for"),
        ("--verify -t x:1", "--verify makes nothing that --tag could be for"),
        ("--verify --debug", "--verify makes nothing that --debug could be for"),
        ("--explain --verify", "not both"),
      ] {
        let refused = try await context.store.runProgram(
          "coracle-repl", ["-c", "build \(words) \(context.path)"])
        #expect(refused.status != .exited(0) && refused.errorText.contains(said), "\(refused.errorText)")
      }
    }
  }

  @Test("a context that is sent is sent whole, secrets of any bytes with it, or nothing is built of it")
  func sent() async throws {
    try await withContext(try #require(Account.available.last)) { context in
      try await context.script(
        """
        printf 'FROM busybox:1\\nCOPY src /src\\nRUN --mount=type=secret,id=k cat /run/secrets/k | wc -c\\n' > context/Dockerfile
        printf 'a\\377\\000b' > secret
        """)
      let coracle = try Programs.directory.get().appending("coracle").string
      func build(_ name: String) async throws -> ChildProcess.Result {
        try await context.store.runProgram(
          "coracle-repl",
          [
            "--server", "\(coracle) serve", "-c",
            "build --network none --secret id=k,src=\(context.store.directory)/secret -t \(name) \(context.path)",
          ])
      }
      let whole = try await build("whole:1")
      #expect(whole.status == .exited(0) && whole.text.contains("#3 4\n"), "\(whole.text) \(whole.errorText)")
      try await context.script("chmod 000 context/src/a")
      let part = try await build("part:1")
      #expect(part.status == .exited(1) && part.errorText.contains("tar could not read"), "\(part.errorText)")
      let images = try await context.service.send(ImageList.self, .init()).images.flatMap(\.references)
      #expect(!images.contains("docker.io/library/part:1"))
    }
  }
}

extension BuildStart.Result {
  var areAllCached: Bool { steps.allSatisfy { $0.cached } }
}

/// A place for what a closure found.
final class FoundDigest: @unchecked Sendable {
  // Written by one task, and read when that has ended.
  var text = ""
}

struct BuildContext: Sendable {
  let store: TestStore
  let service: TestService

  var path: String { store.directory.appending("context").string }

  /// Runs a script as the account, in the test's directory.
  func script(_ text: String) async throws {
    let result = try await ChildProcess.run(
      store.account.launcher + ["sh", "-ec", "umask 022; " + text], workingDirectory: store.directory)
    guard result.succeeded else { throw TestFailure("\(text): \(result.errorText)") }
  }

  func params(
    _ file: String, references: [String] = [], change: (inout BuildDescription) -> Void = { _ in }
  ) -> BuildStart.Params {
    // Else each store would make a bridge on the machine that tests run on.
    var description = BuildDescription(context: path, dockerfile: file, network: "none")
    change(&description)
    var params = BuildStart.Params(description)
    params.references = references.isEmpty ? nil : references
    return params
  }

  func build(
    _ file: String, references: [String] = [], output: FoundDigest? = nil,
    change: (inout BuildDescription) -> Void = { _ in }
  ) async throws -> BuildStart.Result {
    var params = params(file, references: references, change: change)
    guard let output else { return try await service.send(BuildStart.self, params) }
    let receiver = service.process.connection.receiver(credit: 1000)
    params.output = receiver.id
    params.initialCredit = 1000
    async let text = receiver.text()
    do {
      let result = try await service.send(BuildStart.self, params)
      output.text = await text
      return result
    } catch {
      receiver.end(nil)
      throw error
    }
  }

  func explain(
    _ file: String, change: (inout BuildDescription) -> Void = { _ in }
  ) async throws -> [BuildStep] {
    var description = BuildDescription(context: path, dockerfile: file, network: "none")
    change(&description)
    return try await service.send(BuildExplain.self, .init(description)).steps
  }

  /// The digests of the layers that a build gives.
  func layers(
    _ file: String, change: (inout BuildDescription) -> Void = { _ in }
  ) async throws -> [String] {
    let built = try await build(file, change: change)
    return try await service.send(ImageInspect.self, .init(image: built.image.digest)).layers.map(\.digest)
  }
}
