import OCIModel
import RPCModel
import TestSupport
import Testing

@Suite("ADD of several sources")
struct BuildAddTests {
  private static let repository = """
    git init -q -b main repo; cd repo; git config user.name n; git config user.email e@example.invalid
    mkdir sub; echo below > sub/f; echo top > t; git add .; git commit -q -m 1; cd ..
    git clone -q --bare repo repo.git; cd repo.git; git update-server-info; chmod -R a+rX .
    """

  @Test(
    "files of the web, repositories, the context's files and heredocs stand beside each other, and each decides about the cache",
    arguments: Account.available)
  func several(account: Account) async throws {
    try await withFaultyServer { server in
      try await withBuildContext(account) { context in
        try await context.script(Self.repository)
        try await context.serveRepository(on: server)
        try await context.script(
          "cd context; tar -czf src.tgz src; mkdir later; echo later > later/one; echo s > 's*'")
        server.on("GET", "/one", .blob(Array("1\n".utf8)))
        server.on("GET", "/dir/two", .blob(Array("2\n".utf8)))
        server.on("GET", "/s*", .blob(Array("star\n".utf8)))
        let url = "http://\(server.host)"
        let file = """
          FROM busybox:1
          ADD \(url)/one src/a \(url)/dir/two /flat/
          ADD \(url)/repo.git#main:sub src.tgz \(url)/one <<end /mixed/
          heredoc
          end
          ADD --chown=7:8 --chmod=600 \(url)/one later/one /later/
          ADD later/one \(url)/one /earlier/
          ADD \(url)/s* /star
          """
        _ = try await context.build(file, references: ["s:1"])
        let seen = try await context.service.run(
          "s:1",
          [
            "sh", "-c",
            "cd /; cat flat/one flat/two flat/a later/one earlier/one mixed/src/a star; ls mixed; cat mixed/end; stat -c '%u:%g %a' later/one",
          ])
        #expect(
          seen.stdout == "1\n2\none\nlater\n1\none\nstar\nend\nf\none\nsrc\nheredoc\n7:8 600\n",
          "\(seen.stdout)\(seen.stderr)")
        let again = try await context.build(file)
        #expect(again.areAllCached)
        // Without asking, nothing is known of what others have.
        let explained = try await context.explain(file)
        #expect(explained[1].reasons == ["it would have to be asked for: \(url)/one"])
        #expect(explained.map(\.unknown) == [nil, true, true, true, true, true])
        #expect(explained[2].reasons == ["it is not known of an instruction before it"])

        server.on("GET", "/dir/two", .blob(Array("other\n".utf8)))
        let changed = try await context.build(file)
        #expect(changed.steps[1].reasons == ["two of \(url)/dir/two has other content"])
        try await context.script(
          "cd repo; echo more > sub/f; git commit -qam 2; git push -q ../repo.git main; cd ../repo.git; git update-server-info; chmod -R a+rX ."
        )
        try await context.serveRepository(on: server)
        let moved = try await context.build(file)
        #expect(moved.steps.map(\.cached) == [true, true, false, false, false, false])
        #expect(
          moved.steps[2].reasons?.first?.hasPrefix("commit of \(url)/repo.git#main:sub was ") == true,
          "\(moved.steps[2].reasons ?? [])")
      }
    }
  }

  @Test("a checksum is for one source, and several need a directory")
  func refused() async throws {
    try await withFaultyServer { server in
      try await withBuildContext(try #require(Account.available.first)) { context in
        server.on("GET", "/one", .blob(Array("1\n".utf8)))
        let url = "http://\(server.host)/one"
        for (text, message) in [
          (
            "ADD --checksum=\(Digest(of: [])) \(url) src/a /d/",
            "Dockerfile:2:5: a checksum is for one source, and there are 2"
          ),
          (
            "ADD \(url) src/a /d",
            "Dockerfile:2:\("ADD \(url) src/a ".count + 1): ADD of several files needs a directory"
          ),
          ("ADD src/a \(url)/nope /d/", "Dockerfile:2:1: ADD: "),
          ("ADD src/a http://\(server.host)/x.git /d/", "Dockerfile:2:11: ADD: git ls-remote failed"),
        ] {
          let error = try await context.failure("FROM busybox:1\n" + text)
          #expect(error.message.hasPrefix(message), "\(error.message)")
        }
      }
    }
  }

  @Test(
    "ADD unpacks archives, FROM scratch begins with nothing, ONBUILD waits for the next build",
    arguments: Account.available)
  func others(account: Account) async throws {
    try await withBuildContext(account) { context in
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
      try await withBuildContext(account) { context in
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
          ("ADD http://\(server.host)/x.git /", .unreachable), ("ADD http://127.0.0.1:1/a /", .unreachable),
        ] {
          let error = await #expect(throws: RPCError.self) {
            _ = try await context.build("FROM busybox:1\n" + text)
          }
          #expect(error?.data?.kind == kind, "\(text): \(error?.message ?? "")")
          // Nobody was asked for an image.
          let words = "\(error?.message ?? "") \(error?.data?.hint ?? "")"
          #expect(!words.contains("registry") && !words.contains("image"), "\(text): \(words)")
          if kind == .unreachable {
            #expect(error?.data?.hint?.contains("address") == true, "\(text): \(words)")
          }
        }
      }
    }
  }
}
