import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("Builds that are done anew and compared")
struct BuildVerifyTests {
  private func verify(_ context: BuildContext, _ file: String, against image: String? = nil) async throws
    -> BuildVerify.Result
  {
    var params = BuildVerify.Params(
      BuildDescription(context: context.path, dockerfile: file, network: "none"))
    params.image = image
    return try await context.service.send(BuildVerify.self, params)
  }

  @Test(
    "the same inputs are identical, and nothing of the second build is left", arguments: Account.available)
  func identical(account: Account) async throws {
    try await withBuildContext(account) { context in
      let file = "FROM busybox:1\nCOPY src /src\nRUN mkdir /d && cat /src/a > /d/f"
      let built = try await context.build(file, references: ["same:1"])
      for image in ["same:1", nil] {
        let verified = try await verify(context, file, against: image)
        #expect(verified.identical && verified.fileCount == 0, "\(verified)")
        #expect(verified.image == built.image.digest && verified.rebuilt == built.image.digest)
        #expect(verified.files == nil && verified.settings == nil)
        #expect(verified.steps.dropFirst().allSatisfy { !$0.cached })
      }
    }
  }

  @Test(
    "what differs is told by layer, file and aspect; neither the cache nor the images are changed",
    arguments: Account.available)
  func different(account: Account) async throws {
    try await withBuildContext(account) { context in
      // A cache mount is no part of a build's inputs: the second time, it has something else in it.
      let file = """
        FROM busybox:1
        RUN mkdir /d && echo same > /d/same
        RUN --mount=type=cache,target=/c if [ -e /c/x ]; then echo two > /d/f; chmod 700 /bin/busybox; echo n > /d/new; chown 5 /d/same; else touch /c/x; echo one > /d/f; echo o > /d/old; fi
        """
      let built = try await context.build(file, references: ["first:1"])
      let verified = try await verify(context, file)
      #expect(!verified.identical && verified.image == built.image.digest)
      let files = verified.files ?? []
      #expect(verified.fileCount == files.count)
      #expect(files.allSatisfy { $0.layer == 3 && $0.instruction?.contains("cache") == false })
      let found = Dictionary(uniqueKeysWithValues: files.map { ($0.path, $0) })
      #expect(found["/d/f"]?.change == .modified && found["/d/f"]?.aspects == [.content])
      #expect(found["/d/new"]?.change == .added && found["/d/old"]?.change == .deleted)
      #expect(found["/bin/busybox"]?.change == .added && found["/d/same"]?.change == .added)
      #expect(verified.settings == nil)
      // The cache has what it had, and the store too.
      let again = try await context.build(file)
      #expect(again.areAllCached && again.image.digest == built.image.digest)
      let images = try await context.images()
      #expect(images.unnamed == 0)
      let leftovers = try await context.service.send(SystemPrune.self, .init(kinds: [.content, .remains]))
      #expect(leftovers.items.isEmpty, "\(leftovers.items)")
    }
  }

  @Test("against another image: its settings, modes and owners")
  func against() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      _ = try await context.build(
        "FROM busybox:1\nCOPY --chmod=600 --chown=3:4 src /src\nENV A=1\nCMD [\"old\"]", references: ["old:1"]
      )
      let verified = try await verify(
        context, "FROM busybox:1\nCOPY --chmod=640 src /src\nENV A=2", against: "old:1")
      #expect(!verified.identical)
      let settings = Dictionary(
        uniqueKeysWithValues: (verified.settings ?? []).map { ($0.name, $0) })
      #expect(settings["Env"]?.was?.contains("A=1") == true && settings["Env"]?.now?.contains("A=2") == true)
      #expect(settings["Cmd"]?.was == "[\"old\"]" && settings["Cmd"]?.now == nil)
      let file = verified.files?.first { $0.path == "/src/a" }
      #expect(file?.change == .modified && file?.aspects == [.mode, .owner])
      #expect(file?.layer == 2)
      let missing = await #expect(throws: RPCError.self) {
        _ = try await verify(context, "FROM busybox:1", against: "nope:1")
      }
      #expect(missing?.data?.kind == .notFound)
    }
  }

  @Test("times, links, kinds of files and attributes that are not the same are told apart")
  func aspects() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let file = { (seconds: Int, script: String) in
        "ARG SOURCE_DATE_EPOCH=\(seconds)\nFROM busybox:1\nRUN \(script)"
      }
      _ = try await context.build(
        file(1_000_000_000, "mkdir /d; touch /d/time; ln -s a /d/link; echo x > /d/kind"), references: ["t:1"]
      )
      let verified = try await verify(
        context, file(1_100_000_000, "mkdir /d; touch /d/time; ln -s b /d/link; mkdir /d/kind"),
        against: "t:1")
      let found = Dictionary(uniqueKeysWithValues: (verified.files ?? []).map { ($0.path, $0.aspects) })
      #expect(found["/d/time"] == [.time], "\(found)")
      #expect(found["/d/link"] == [.content, .time] && found["/d/kind"] == [.type])
      #expect(found["/d"] == nil)
      #expect(verified.settings?.contains { $0.name == "created" } == true)
    }
  }

  @Test("at the REPL")
  func repl() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      try await context.script("printf 'FROM busybox:1\\nCOPY src /src\\n' > context/Dockerfile")
      let same = try await context.store.runProgram(
        "coracle-repl", ["-c", "build --network none --verify \(context.path)"])
      #expect(same.status == .exited(0) && same.text.hasPrefix("identical: "), "\(same.errorText)")
      let other = try await context.store.runProgram(
        "coracle-repl", ["-c", "build --network none --verify --against busybox:1 \(context.path)"])
      #expect(other.status == .exited(1) && other.text.contains("  A /src/a\n"), "\(other.text)")
    }
  }
}
