import RPCModel
import TestSupport
import Testing

@Suite("What COPY finds")
struct BuildCopyTests {
  @Test("a link that fits a pattern is another file, also for the cache", arguments: Account.available)
  func links(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script("mkdir context/txt; echo 1 > context/txt/real.txt")
      let file = "FROM busybox:1\nCOPY txt/*.txt /d/\nCOPY --parents */real.txt /p/"
      _ = try await context.build(file)
      try await context.script("ln -s real.txt context/txt/new.txt; ln -s txt context/other")
      let explained = try await context.explain(file)
      #expect(explained[1].reasons == ["txt/real.txt as new.txt is new"])
      let changed = try await context.build(file, references: ["links:1"])
      #expect(changed.steps.map(\.cached) == [true, false, false])
      let seen = try await context.service.run(
        "links:1", ["sh", "-c", "cat /d/new.txt; find /d /p -type f | sort"])
      #expect(
        seen.stdout == "1\n/d/new.txt\n/d/real.txt\n/p/other/real.txt\n/p/txt/real.txt\n", "\(seen.stderr)")
      let again = try await context.build(file)
      #expect(again.areAllCached)
      // The link alone decides about these.
      try await context.script("mv context/other context/third")
      let moved = try await context.build(file)
      #expect(moved.steps.map(\.cached) == [true, true, false])
    }
  }

  @Test("which of several files of one name comes last is the cache's, too", arguments: Account.available)
  func order(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        "cd context; mkdir p q; echo p > p/f; echo q > q/f; ln -s p l1; ln -s q l2")
      let file = "FROM busybox:1\nCOPY l*/f /d/\nRUN cat /d/f"
      let output = FoundDigest()
      _ = try await context.build(file, output: output)
      #expect(output.text == "#3 q\n")
      try await context.script("cd context; ln -sfn q l1; ln -sfn p l2")
      let changed = try await context.build(file, output: output)
      #expect(output.text == "#3 p\n" && changed.steps.map(\.cached) == [true, false, false])
      #expect(changed.steps[1].reasons == ["the order of the files is new: q/f p/f"])
    }
  }

  @Test("two asterisks are any number of directories, none included", arguments: Account.available)
  func depths(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        """
        cd context; mkdir -p a/b/c out a/.git; for d in . a a/b/c out; do echo $d > $d/package.json; done
        echo x > a/b/x; echo out > .dockerignore; ln -s .. a/loop; echo '!' > 'a/!y'
        """)
      let file = """
        FROM busybox:1
        COPY --parents **/package.json /all/
        COPY --parents a/./**/package.json /below/
        COPY a/**/x /flat/
        COPY a/!* /marked/
        """
      _ = try await context.build(file, references: ["deep:1"])
      let seen = try await context.service.run(
        "deep:1", ["sh", "-c", "find /all /below /flat /marked -type f | sort"])
      #expect(
        seen.stdout == """
          /all/a/b/c/package.json
          /all/a/package.json
          /all/package.json
          /below/b/c/package.json
          /below/package.json
          /flat/x
          /marked/!y

          """, "\(seen.stderr)")
      // One that comes at any depth is seen.
      try await context.script("cp context/package.json context/a/b/")
      let changed = try await context.build(file)
      #expect(changed.steps.map(\.cached) == [true, false, false, false, false])
    }
  }

  @Test(
    "what is refused says what to do instead",
    arguments: [
      ("FROM busybox:1\nCOPY --from=scratch /a /", "name a stage, an image or a context"),
      ("FROM busybox:1\nRUN --device=x true", "leave --device out"),
      ("FROM busybox:1\nRUN --mount=type=secret true", "add id=NAME"),
      ("FROM busybox:1\nRUN --mount=type=secret,target=/ true", "add id=NAME"),
      ("ARG SOURCE_DATE_EPOCH=now\nFROM busybox:1", "give a number, as date +%s writes it"),
      ("FROM busybox:1\nCOPY --from=3 /a /", "name the stage with FROM ... AS, or the image with its tag"),
    ])
  func hints(_ file: String, _ hint: String) async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let error = try await context.failure(file)
      #expect(error.data?.hint == hint, "\(error.message)")
    }
  }

  @Test("a pattern finds nothing in a file, or in a link to itself", arguments: Account.available)
  func throughFiles(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        """
        cd context; mkdir -p packages/p; echo p > packages/p/package.json; echo r > packages/README.md
        ln -s loop packages/loop; ln -s packages/README.md readme
        """)
      let file = """
        FROM busybox:1 AS one
        COPY packages/*/package.json /flat/
        COPY --parents packages/*/package.json /whole/
        ADD packages/*/package.json /added/
        FROM busybox:1
        COPY --from=one /whole/packages/*/package.json /etc/passwd/* /other/
        """
      _ = try await context.build(file, references: ["n:1"])
      let seen = try await context.service.run("n:1", ["cat", "/other/package.json"])
      #expect(seen.stdout == "p\n", "\(seen.stderr)")
      for source in [
        "packages/README.md/x", "readme/x", String(repeating: "n", count: 300),
      ] {
        let error = try await context.failure("FROM busybox:1\nCOPY \(source) /")
        #expect(error.data?.kind == .invalidArgument, "\(error.message)")
        #expect(error.message.contains("there is no '\(source)' in the context"), "\(error.message)")
      }
    }
  }

  @Test(
    "what extended attributes a directory has decides about what is copied from an image", .requires(.mount))
  func attributes() async throws {
    try await withBuildContext(.root) { context in
      for value in ["1", "2"] {
        try await context.script(
          """
          rm -rf tree; mkdir -p tree/d/e
          python3 -c 'import os; os.setxattr("tree/d/e", "user.k", b"v\(value)")'
          tar --xattrs --xattrs-include='*' -C tree -cf x\(value).tar d
          """)
        _ = try await context.service.send(
          ImageImport.self, .init(path: context.path("x\(value).tar"), reference: "x:\(value)"))
      }
      let file = "FROM busybox:1\nCOPY --from=x:1 /d /d"
      _ = try await context.build(file)
      let other = try await context.build(file.replacing("=x:1", with: "=x:2"))
      #expect(other.steps.map(\.cached) == [true, false])
      let again = try await context.build(file)
      #expect(again.areAllCached)
    }
  }

  @Test("a path that no file system takes is told of at its word")
  func longPaths() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let name = String(repeating: "n", count: 256)
      let deep = String(repeating: "/nnnnnnnnnn", count: 400)
      for (line, column) in [
        ("WORKDIR /\(name)", 9), ("COPY src /\(name)/", 10), ("COPY src \(deep)", 10), ("WORKDIR \(deep)", 9),
      ] {
        let error = try await context.failure("FROM busybox:1\n\(line)")
        #expect(error.data?.kind == .invalidArgument, "\(error.message)")
        #expect(error.message.hasPrefix("Dockerfile:2:\(column): "), "\(error.message)")
        #expect(error.message.utf8.count < 300 && error.data?.hint?.contains("255 bytes") == true)
      }
    }
  }
}
