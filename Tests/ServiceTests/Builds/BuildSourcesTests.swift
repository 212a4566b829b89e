import Foundation
import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// What files builds take, and from where: archives, names of any bytes, the web, repositories that not everybody may read.
@Suite("Sources of builds")
struct BuildSourcesTests {
  @Test(
    "ADD unpacks what is an archive by its content, however it is compressed and called",
    arguments: Account.available)
  func archives(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        """
        cd context; tar -cf plain src; tar --format=v7 -cf old src; gzip -c plain > zipped; bzip2 -c old > bz; xz -c plain > xz
        zstd -q -c old > zst; echo text > text.tar; gzip -c text.tar > text.tar.gz; head -c 700 /dev/zero > zeroes.tar
        head -c 100 zipped > cut.tgz; : > empty.tar
        """)
      let archives = ["plain", "old", "zipped", "bz", "xz", "zst"]
      let files = ["text.tar", "text.tar.gz", "zeroes.tar", "cut.tgz", "empty.tar"]
      let file =
        "FROM busybox:1\n" + (archives + files).map { "ADD \($0) /in/\($0)/" }.joined(separator: "\n")
        + "\nADD --unpack=false xz /kept"
      _ = try await context.build(file, references: ["a:1"])
      let seen = try await context.service.run(
        "a:1", ["sh", "-c", "cd /in; find . -type f | sort; cat */src/a; wc -c < /kept"])
      let expected =
        (archives.flatMap { ["./\($0)/src/a", "./\($0)/src/b"] } + files.map { "./\($0)/\($0)" }).sorted()
      let lines = seen.stdout.split(separator: "\n").map(String.init)
      #expect(Array(lines.prefix(expected.count)) == expected, "\(seen.stdout) \(seen.stderr)")
      #expect(
        lines.dropFirst(expected.count).dropLast() == Array(repeating: "one", count: archives.count)[...])
    }
  }

  @Test("an archive that is damaged is an error, and nothing of it is left", arguments: Account.available)
  func damaged(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        "cd context; head -c 300000 /dev/urandom > src/large; tar -cf - src | xz > all; head -c 100000 all > half"
      )
      let error = try await context.failure("FROM busybox:1\nADD half /")
      #expect(error.data?.kind == .corrupt, "\(error.message)")
    }
  }

  @Test(
    "a heredoc without variables is copied byte by byte, and its bytes decide", arguments: Account.available)
  func oddHeredocs(account: Account) async throws {
    try await withBuildContext(account) { context in
      func build(_ byte: String) async throws -> (text: String, cached: [Bool]) {
        try await context.script(
          "printf 'FROM busybox:1\\nCOPY <<\"E\" /f\\ncaf\\\(byte)\\nE\\nRUN busybox od -An -tx1 /f\\n' > context/Odd"
        )
        let output = FoundDigest()
        let built = try await context.build("", output: output) {
          $0.dockerfile = nil
          $0.file = "Odd"
        }
        return (output.text, built.steps.map(\.cached))
      }
      let first = try await build("351")
      #expect(first.text == "#3  63 61 66 e9 0a\n", "\(first)")
      let other = try await build("350")
      #expect(other.text == "#3  63 61 66 e8 0a\n" && other.cached == [true, false, false], "\(other)")
      let again = try await build("351")
      #expect(again.cached == [true, true, true])
    }
  }

  @Test("names that are no UTF-8 are copied as they are, and told apart", arguments: Account.available)
  func oddNames(account: Account) async throws {
    try await withBuildContext(account) { context in
      // In bytes, whatever the shell makes of them; and the characters that stand for such bytes inside.
      try await context.script(
        """
        python3 - << 'end'
        import os
        os.makedirs(b"context/odd/d\\xe9")
        for name in [b"d\\xe9/caf\\xe9", b"d\\xe9/caf\\xe8", b"\\xff", "\\U0010ffe9".encode(), "caf\\u00e9".encode()]:
            with open(b"context/odd/" + name, "wb") as file: file.write(name)
        os.symlink(b"d\\xe9/caf\\xe9", b"context/odd/link\\xfe")
        end
        """)
      let file = """
        FROM busybox:1
        COPY odd /odd
        COPY odd/link? /linked
        COPY odd/d?/caf? /both/
        """
      let built = try await context.build(file, references: ["o:1"])
      let list =
        "cd /; busybox find odd both linked | busybox sort | busybox od -An -v -tx1 | busybox tr -d ' \\n'"
      let seen = try await context.service.run("o:1", ["sh", "-c", list])
      let names: [[UInt8]] = [
        Array("both".utf8), Array("both/caf".utf8) + [0xe8], Array("both/caf".utf8) + [0xe9],
        Array("linked".utf8),
        Array("odd".utf8), Array("odd/caf\u{e9}".utf8), Array("odd/d".utf8) + [0xe9],
        Array("odd/d".utf8) + [0xe9] + Array("/caf".utf8) + [0xe8],
        Array("odd/d".utf8) + [0xe9] + Array("/caf".utf8) + [0xe9], Array("odd/link".utf8) + [0xfe],
        Array("odd/\u{10ffe9}".utf8), Array("odd/".utf8) + [0xff],
      ]
      var expected = ""
      for name in names {
        for byte in name + [10] { expected += (byte < 16 ? "0" : "") + String(byte, radix: 16) }
      }
      #expect(seen.stdout == expected, "\(seen.stdout)\n\(expected) \(seen.stderr)")
      let content = try await context.service.run(
        "o:1",
        [
          "sh", "-c",
          "busybox od -An -tx1 /linked; cat /odd/link* | busybox cmp - /linked; cat /both/* | busybox wc -c",
        ])
      #expect(content.stdout == " 64 e9 2f 63 61 66 e9\n14\n", "\(content.stdout) \(content.stderr)")
      let again = try await context.build(file)
      #expect(again.areAllCached && again.image.digest == built.image.digest)
      // Which one was changed is told by its bytes.
      try await context.script(
        "python3 -c 'open(b\"context/odd/d\\xe9/caf\\xe8\", \"wb\").write(b\"other\")'")
      let explained = try await context.explain(file)
      #expect(
        explained[1].reasons == [#"odd/d\xe9/caf\xe8 has other content"#], "\(explained[1].reasons ?? [])")
    }
  }

  @Test("a file of the web that is larger than the settings allow is an error", arguments: Account.available)
  func limited(account: Account) async throws {
    try await withFaultyServer { server in
      server.on("GET", "/file", .blob([UInt8](repeating: 65, count: 2000)))
      try await withBuildContext(account) { context in
        let file = "FROM busybox:1\nADD http://\(server.host)/file /"
        _ = try await context.build(file)
        try await context.script(
          "mkdir -p .config/coracle; echo '{\"builds\": {\"downloadBytes\": 1999}}' > .config/coracle/config.json"
        )
        let limited = BuildContext(store: context.store, service: try await context.store.service())
        let error = try await limited.failure(file)
        #expect(
          error.data?.kind == .corrupt && error.message.contains("more than 1999 bytes"), "\(error.message)")
        #expect(error.data?.hint?.contains("builds.downloadBytes") == true)
        #expect(await limited.service.stop() == 0)
      }
    }
  }

  /// Serves a repository that wants a password, as the plainest of git's protocols has it.
  private func serve(_ context: BuildContext, on server: FaultyServer) async throws {
    try await context.script(
      """
      git init -q -b main repo; cd repo; git config user.name n; git config user.email e@example.invalid
      mkdir sub; echo first > a; echo below > sub/f; git add .; git commit -q -m 1; cd ..
      git clone -q --bare repo repo.git; cd repo.git; git update-server-info; chmod -R a+rX .
      """)
    try await context.serveRepository(on: server)
  }

  @Test(
    "git sends the secrets that the build was given for it, and nothing that its user has",
    arguments: Account.available)
  func authorized(account: Account) async throws {
    try await withFaultyServer { server in
      try await withBuildContext(account) { context in
        try await serve(context, on: server)
        try await context.script(
          "echo 'machine 127.0.0.1 login user password own' > .netrc; chmod 600 .netrc; HOME=$PWD git config --global http.extraHeader 'X-Own: 1'"
        )
        let file = "FROM busybox:1\nADD http://\(server.host)/repo.git /r"
        func headers() -> Set<String> {
          Set(
            server.requests.map {
              $0.fields["authorization"] ?? ($0.fields["x-own"].map { "own \($0)" } ?? "none")
            })
        }
        _ = try await context.build(file)
        #expect(headers() == ["none"])
        var seen = server.requests.count
        func sent(_ secrets: [BuildSecret]) async throws -> Set<String> {
          _ = try await context.build(file) {
            $0.secrets = secrets
            $0.noCache = true
          }
          defer { seen = server.requests.count }
          return Set(server.requests.dropFirst(seen).map { $0.fields["authorization"] ?? "none" })
        }
        let token = Data("x-access-token:t0ken".utf8).base64EncodedString()
        #expect(try await sent([BuildSecret(id: "GIT_AUTH_TOKEN", value: "t0ken\n")]) == ["basic \(token)"])
        #expect(
          try await sent([
            BuildSecret(id: "GIT_AUTH_TOKEN", value: "no"),
            BuildSecret(id: "GIT_AUTH_HEADER.127.0.0.1", value: "bearer b"),
          ]) == ["bearer b"])
        #expect(try await sent([BuildSecret(id: "GIT_AUTH_TOKEN.example.invalid", value: "no")]) == ["none"])
      }
    }
  }

  @Test("contexts may be git repositories, files and archives of the web", arguments: Account.available)
  func contexts(account: Account) async throws {
    try await withFaultyServer { server in
      try await withBuildContext(account) { context in
        try await serve(context, on: server)
        try await context.script(
          "printf 'FROM busybox:1\\nCOPY src/b /b\\n' > context/Dockerfile; tar -C context -czf context.tgz .; printf 'FROM busybox:1\\nCOPY f /f\\n' > repo/sub/Dockerfile; cd repo; git add .; git commit -qm 2; git push -q ../repo.git main; cd ../repo.git; git update-server-info; chmod -R a+rX ."
        )
        try await context.serveRepository(on: server)
        server.on("GET", "/plain", .blob(Array("plain\n".utf8)))
        server.on(
          "GET", "/context.tgz",
          .blob([UInt8](try Data(contentsOf: URL(filePath: context.path("context.tgz"))))))
        let url = "http://\(server.host)"
        let contexts = [
          "whole": "\(url)/repo.git", "part": "\(url)/repo.git#main:sub", "file": "\(url)/plain",
        ]
        let file = """
          FROM part AS first
          RUN --network=none true
          FROM busybox:1
          COPY --from=whole a /a
          COPY --from=whole sub /sub
          COPY --from=file plain /plain
          RUN --mount=from=part,target=/p cat /p/f > /g
          """
        let built = try await context.build(file, references: ["c:1"]) { $0.contexts = contexts }
        #expect(built.steps.count == 5)
        let seen = try await context.service.run("c:1", ["cat", "/a", "/sub/f", "/plain", "/g"])
        #expect(seen.stdout == "first\nbelow\nplain\nbelow\n", "\(seen.stderr)")
        let again = try await context.build(file) { $0.contexts = contexts }
        #expect(again.areAllCached)
        // As the context itself, with the Dockerfile that is in it.
        for (place, file) in [("\(url)/repo.git#main:sub", "/f"), ("\(url)/context.tgz", "/b")] {
          _ = try await context.service.send(
            BuildStart.self, .init(context: place, network: "none", references: ["main:1"]))
          let seen = try await context.service.run("main:1", ["cat", file])
          #expect(seen.stdout == (file == "/f" ? "below\n" : "two\n"), "\(place): \(seen.stderr)")
        }
        server.on(
          "GET", "/private.git/info/refs",
          FaultyResponse(status: 401, fields: ["WWW-Authenticate": "Basic realm=x"]))
        for (place, kind) in [
          ("\(url)/plain", ErrorKind.unsupported), ("\(url)/nope.git", .unreachable),
          ("\(url)/private.git", .unauthorized), ("\(url)/nope", .notFound),
          ("\(url)/repo.git#main:nope", .notFound),
        ] {
          let error = await #expect(throws: RPCError.self) {
            _ = try await context.service.send(BuildStart.self, .init(context: place))
          }
          #expect(error?.data?.kind == kind, "\(place): \(error?.message ?? "")")
          let explained = await #expect(throws: RPCError.self) {
            _ = try await context.service.send(BuildExplain.self, .init(context: place))
          }
          #expect(explained?.data?.kind == kind, "\(place): \(explained?.message ?? "")")
        }
      }
    }
  }

  @Test("an image of another platform, where it is the only one, is built on with BuildKit's warning")
  func otherPlatform() async throws {
    try await withFaultyServer { server in
      try await withBuildContext(try #require(Account.available.first)) { context in
        var image = try await ServedImage(context.store)
        let text = String(decoding: image.config, as: UTF8.self)
        image.use(config: text.replacing(Platform.host.architecture, with: "s390x"))
        image.serve(on: server)
        let file = "FROM \(server.host)/app:1\nCOPY src /src"
        let built = try await context.build(file)
        let warning = try #require(built.warnings?.first)
        #expect(warning.rule == "InvalidBaseImagePlatform" && warning.line == 1)
        #expect(
          warning.message
            == "Base image \(server.host)/app:1 was pulled with platform \"linux/s390x\", expected \"\(Platform.host)\" for current build"
        )
        let silent = try await context.build("# check=skip=InvalidBaseImagePlatform\n" + file)
        #expect(silent.warnings == nil)
      }
    }
  }
}
