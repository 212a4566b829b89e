import RPCModel
import TestSupport
import Testing

@Suite("Mounts of RUN")
struct BuildMountTests {
  @Test(
    "files of one name in two mounts are told apart, and a secret may be any bytes",
    arguments: Account.available)
  func sameNames(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script("printf 'k\\377\\000y' > secret; ln -s secret link")
      let file = """
        FROM busybox:1 AS one
        ARG TEXT
        RUN mkdir /out && echo $TEXT > /out/f
        FROM busybox:1 AS two
        RUN mkdir /out && echo two > /out/f
        FROM busybox:1
        RUN --mount=from=one,source=/out,target=/1 --mount=from=two,source=/out,target=/2 cat /1/f /2/f; echo .
        RUN --mount=type=secret,id=key stat -c %s /run/secrets/key
        """
      func build(_ text: String) async throws -> (lines: [Substring], result: BuildStart.Result) {
        let output = FoundDigest()
        let result = try await context.build(file, output: output) {
          $0.arguments = ["TEXT": text]
          $0.secrets = [BuildSecret(id: "key", path: context.path("link"))]
        }
        let lines = output.text.split(separator: "\n").map { $0.drop { $0 != " " }.dropFirst() }
        return (lines, result)
      }
      let first = try await build("first")
      #expect(first.lines == ["first", "two", ".", "4"])
      let other = try await build("other")
      #expect(other.lines.prefix(3) == ["other", "two", "."])
      let again = try await build("first")
      #expect(again.result.areAllCached && again.lines.isEmpty)
    }
  }

  @Test("a cache that one RUN wants twice for itself is one, and two builds want two of them in any order")
  func locked() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      func file(_ ids: [String]) -> String {
        let mounts = ids.enumerated().map { "--mount=type=cache,id=\($1),sharing=locked,target=/c\($0)" }
        return "FROM busybox:1\nRUN \(mounts.joined(separator: " ")) echo \(ids.joined()) | tee /c0/f > /made"
      }
      let same = context.params(file(["a", "a"]))
      _ = try await context.service.send(BuildStart.self, same)
      try await withThrowingTaskGroup { group in
        for number in 0..<8 {
          let params = context.params(
            file(number % 2 == 0 ? ["a", "b"] : ["b", "a"]) + "\(number)")
          group.addTask { _ = try await context.service.send(BuildStart.self, params) }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test(
    "a secret that comes over the wire may be any bytes, and is one thing only", arguments: Account.available)
  func wireSecret(account: Account) async throws {
    try await withBuildContext(account) { context in
      let file = "FROM busybox:1\nRUN --mount=type=secret,id=k busybox od -An -tx1 /run/secrets/k"
      let output = FoundDigest()
      _ = try await context.build(file, output: output) {
        $0.secrets = [BuildSecret(id: "k", base64: "a/8AeQ==")]
      }
      #expect(output.text == "#2  6b ff 00 79\n", "\(output.text)")
      for secret in [
        BuildSecret(id: "k", base64: "?"), BuildSecret(id: "k", value: "v", base64: "dg=="),
        BuildSecret(id: "k"),
      ] {
        let error = try await context.failure(file) { $0.secrets = [secret] }
        #expect(
          error.data?.kind == .invalidArgument && error.message.contains("secret k"), "\(error.message)")
      }
    }
  }

  @Test("a cache may begin with one file, which is mounted as one", arguments: Account.available)
  func fileCache(account: Account) async throws {
    try await withBuildContext(account) { context in
      func lines(_ text: String) async throws -> String {
        let output = FoundDigest()
        _ = try await context.build(
          """
          FROM busybox:1 AS seed
          RUN echo seed > /seed; chmod 640 /seed
          FROM busybox:1
          RUN --mount=type=cache,from=seed,source=/seed,target=/c test -f /c; echo \(text) >> /c; cat /c; stat -c %a /c
          """, output: output)
        return output.text
      }
      #expect(try await lines("a") == "#4 seed\n#4 a\n#4 640\n")
      #expect(try await lines("b") == "#4 seed\n#4 a\n#4 b\n#4 640\n")
      let plan = try await context.service.send(SystemPrune.self, .init(kinds: [.cacheMount]))
      #expect(plan.items.count == 1)
      let gone = try await context.service.send(
        SystemPrune.self, .init(kinds: [.cacheMount], apply: plan.items.map(\.id)))
      #expect(gone.items.map(\.outcome) == [.removed])
    }
  }

  @Test(
    "a private cache is one RUN's at a time: two at once have two of them, and one after them has one that was there"
  )
  func privateCaches() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let own = "--mount=type=cache,id=own,sharing=private,target=/own"
      // They wait for each other, so that both have theirs at once.
      func stage(_ name: String, _ other: String) -> String {
        """
        FROM busybox:1 AS \(name)
        RUN \(own) --mount=type=cache,id=meet,target=/meet <<end
        touch /own/\(name) /meet/\(name)
        for i in $(seq 3000); do test -e /meet/\(other) && break; sleep 0.1; done
        test -e /meet/\(other) && ls /own > /\(name)
        end

        """
      }
      let output = FoundDigest()
      _ = try await context.build(
        stage("a", "b") + stage("b", "a")
          + "FROM busybox:1\nCOPY --from=a /a /\nCOPY --from=b /b /\nRUN cat /a /b", output: output)
      let lines = output.text.split(separator: "\n").map { $0.split(separator: " ").last ?? "" }
      #expect(lines == ["a", "b"], "\(output.text)")
      let after = FoundDigest()
      _ = try await context.build("FROM busybox:1\nRUN \(own) ls /own", output: after)
      #expect(["#2 a\n", "#2 b\n"].contains(after.text), "\(after.text)")
    }
  }

  @Test("a tmpfs has the size that is asked for, and no more", arguments: Account.available)
  func tmpfsSize(account: Account) async throws {
    try await withBuildContext(account) { context in
      let output = FoundDigest()
      _ = try await context.build(
        """
        FROM busybox:1
        RUN --mount=type=tmpfs,target=/t,size=1m ! dd if=/dev/zero of=/t/f bs=4096 count=512 2> /tmp/why; wc -c < /t/f; busybox grep -c 'No space left' /tmp/why
        RUN --mount=type=tmpfs,target=/t,size=4m dd if=/dev/zero of=/t/f bs=4096 count=512 2> /dev/null; wc -c < /t/f
        """, output: output)
      #expect(output.text == "#2 1048576\n#2 1\n#3 2097152\n", "\(output.text)")
    }
  }

  @Test("what is wrong with a mount is not taken for what is wrong with the command")
  func missingTarget() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let error = try await context.failure(
        "FROM busybox:1\nRUN --mount=type=ssh,target=/etc/passwd/x true"
      ) { $0.ssh = [BuildAgent(id: "default", path: context.path("nobody"))] }
      #expect(!error.message.contains("cannot execute"), "\(error.message)")
    }
  }

  @Test("the source of a mount is a path, whatever characters it has")
  func plainSources() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      try await context.script("echo odd > 'context/w?x'; echo other > context/wax")
      let output = FoundDigest()
      _ = try await context.build(
        "FROM busybox:1\nRUN --mount=type=bind,source=w?x,target=/w cat /w", output: output)
      #expect(output.text == "#2 odd\n")
      let error = try await context.failure(
        "FROM busybox:1\nRUN --mount=type=bind,source=w*x,target=/w cat /w")
      #expect(error.data?.kind == .invalidArgument)
      #expect(error.message.contains("there is no 'w*x' in the context"), "\(error.message)")
    }
  }

  @Test(
    "mounts: a bind of what is not ignored, a cache that stays, a secret that leaves nothing",
    arguments: Account.available)
  func mounts(account: Account) async throws {
    try await withBuildContext(account) { context in
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
    "what waits for somebody, or is no file, is no source of a cache and no secret",
    arguments: Account.available)
  func noFiles(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script("mkfifo fifo; ln -s fifo link")
      let cache = try await context.failure(
        """
        FROM busybox:1 AS a
        RUN busybox mkfifo /fifo
        FROM busybox:1
        RUN --mount=type=cache,from=a,source=/fifo,target=/x true
        """)
      #expect(cache.data?.kind == .invalidArgument, "\(cache.message)")
      #expect(cache.message.contains("'/fifo' is neither a file nor a directory"), "\(cache.message)")
      for path in ["fifo", "link"] {
        let secret = try await context.failure("FROM busybox:1\nRUN --mount=type=secret,id=k true") {
          $0.secrets = [BuildSecret(id: "k", path: context.path(path))]
        }
        #expect(secret.data?.kind == .invalidArgument && secret.data?.hint != nil, "\(secret.message)")
        #expect(secret.message.contains("is no regular file"), "\(secret.message)")
      }
      let plan = try await context.service.send(SystemPrune.self, .init(kinds: [.cacheMount, .remains]))
      #expect(plan.items.isEmpty, "\(plan.items)")
    }
  }

  @Test("what a service that was killed has filled of a cache is a leftover, and no cache")
  func unfinished() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let caches = context.store.store.appending("build-caches").string
      try await context.script("mkdir -p \(caches)/new-1/d; echo x > \(caches)/new-1/d/x")
      let mounts = try await context.service.send(SystemPrune.self, .init(kinds: [.cacheMount]))
      #expect(mounts.items.isEmpty, "\(mounts.items)")
      let left = try await context.service.send(SystemPrune.self, .init(kinds: [.remains]))
      #expect(
        left.items.map(\.id) == ["remains:new-1"] && left.items.allSatisfy { $0.bytes > 0 }, "\(left.items)")
      let gone = try await context.service.send(
        SystemPrune.self, .init(kinds: [.remains], apply: left.items.map(\.id)))
      #expect(gone.items.map(\.outcome) == [.removed])
    }
  }

  @Test(
    "a heredoc's name is the script's name only where that is one",
    arguments: [("..", "script"), (".", "script"), ("a/b", "a_b")])
  func scripts(_ name: String, _ file: String) async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let output = FoundDigest()
      _ = try await context.build(
        "FROM busybox:1\nRUN <<\(name)\n#!/bin/sh\necho $0\n\(name)\n", output: output)
      #expect(output.text == "#2 /dev/pipes/\(file)\n", "\(output.text)")
    }
  }
}
