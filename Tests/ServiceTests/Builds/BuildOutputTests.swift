import Foundation
import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("What builds are written to")
struct BuildOutputTests {
  private static let file = """
    FROM busybox:1 AS tools
    RUN mkdir /out && echo made > /out/made && chmod 4755 /out/made && ln -s made /out/link
    FROM scratch
    COPY --from=tools --chown=7:8 /out /
    COPY src/a /
    ENV A=b
    """

  @Test(
    "an OCI layout, a Docker archive, a tar archive and a directory, and then no image in the store",
    arguments: Account.available)
  func everywhere(account: Account) async throws {
    try await withBuildContext(account) { context in
      var params = context.params(Self.file, references: ["out:1"])
      params.outputs = [
        .init(type: .oci, path: context.path("oci.tar")),
        .init(type: .docker, path: context.path("docker.tar")),
        .init(type: .oci, path: context.path("layout"), directory: true),
        .init(type: .tar, path: context.path("tree.tar")), .init(type: .local, path: context.path("tree")),
      ]
      let built = try await context.service.send(BuildStart.self, params)
      #expect(built.outputs?.map(\.type) == [.oci, .docker, .oci, .tar, .local])
      #expect(built.outputs?.allSatisfy { $0.bytes > 0 } == true)
      #expect(built.image.references.isEmpty && built.image.totalBytes == 0 && built.image.layerCount == 2)
      let images = try await context.images()
      #expect(images.names == ["docker.io/library/busybox:1"] && images.unnamed == 0)

      let listed = try await context.output("tar -tvf tree.tar --numeric-owner | awk '{print $1, $2, $6}'")
      #expect(listed == "-rw-r--r-- 0/0 a\nlrwxrwxrwx 7/8 link\n-rwsr-xr-x 7/8 made\n")
      // The directory is its maker's, and nobody gets that user's rights by it.
      let tree = try await context.output(
        "cd tree && stat -c '%a %n' a made && readlink link && cat link && find . -user $(id -u) | wc -l")
      #expect(tree == "644 a\n755 made\nmade\nmade\n4\n")
      let seen = try await ChildProcess.run(
        ["skopeo", "inspect", "--config", "oci:\(context.path("layout"))"])
      #expect(seen.succeeded && seen.text.contains("A=b"), "\(seen.errorText)")
      for archive in ["oci.tar", "docker.tar", "layout"] {
        let loaded = try await context.service.send(ImageLoad.self, .init(path: context.path(archive)))
        #expect(loaded.images.map(\.image.digest) == [built.image.digest])
        #expect(loaded.images.map(\.references) == [["docker.io/library/out:1"]])
      }
      // With an image besides, it has its name in the store as well.
      params.references = ["both:1"]
      params.outputs = [.init(type: .image), .init(type: .tar, path: context.path("second.tar"))]
      let both = try await context.service.send(BuildStart.self, params)
      #expect(both.image.references.contains("docker.io/library/both:1") && both.areAllCached)
      let compared = try await context.output("cmp tree.tar second.tar && echo same")
      #expect(compared == "same\n")
    }
  }

  @Test("a tar archive as a stream, also of an image without layers")
  func stream() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      for (file, expected) in [(Self.file, "./a\n"), ("FROM scratch\nENV A=b", "")] {
        let receiver = context.service.process.connection.receiver(credit: 1000)
        var params = context.params(file)
        params.outputs = [.init(type: .tar, stream: receiver.id, initialCredit: 1000)]
        async let bytes = receiver.bytes()
        let built = try await context.service.send(BuildStart.self, params)
        let archive = await bytes
        #expect(built.outputs?.first?.bytes == archive.count)
        let listed = try await ChildProcess.run(["tar", "-tf", "-"], input: .bytes(archive))
        #expect(listed.succeeded, "\(listed.errorText)")
        #expect(listed.text.split(separator: "\n").first.map { "./\($0)\n" } ?? "" == expected)
      }
    }
  }

  @Test(
    "what cannot be written is an error, and leaves neither a part nor an image", arguments: Account.available
  )
  func refused(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script("mkdir full; echo > full/file; mkdir empty")
      let path = { (name: String) in context.path(name) }
      let cases: [(BuildOutput, ErrorKind)] = [
        (.init(type: .local, path: path("full")), .alreadyExists),
        (.init(type: .oci, path: path("full"), directory: true), .alreadyExists),
        (.init(type: .tar, path: path("nowhere/x.tar")), .notFound),
        (.init(type: .tar, path: "x.tar"), .invalidArgument), (.init(type: .tar), .invalidArgument),
        (.init(type: .local), .invalidArgument), (.init(type: .image, path: path("x")), .invalidArgument),
        (.init(type: .local, stream: "s9"), .invalidArgument),
      ]
      for (output, kind) in cases {
        let error = try await context.failure("FROM busybox:1\nCOPY src /") {
          $0.references = ["bad:1"]
          $0.outputs = [.init(type: .image), output]
        }
        #expect(error.data?.kind == kind, "\(output): \(error.message)")
      }
      let images = try await context.images()
      #expect(images.names == ["docker.io/library/busybox:1"] && images.unnamed == 0)
      let left = try await context.output(
        "ls -A . full empty | grep -c -e coracle- -e '^x$' -e '^x.tar$' || true")
      #expect(left == "0\n")
      // A step that fails writes nothing.
      _ = try await context.failure("FROM busybox:1\nRUN false") {
        $0.outputs = [.init(type: .tar, path: path("x.tar")), .init(type: .local, path: path("empty"))]
      }
      let unwritten = try await context.output(
        "ls -A empty; ls -A | grep -c -e '^x.tar$' -e coracle- || true")
      #expect(unwritten == "0\n")
      var params = context.params("FROM busybox:1\nCOPY src /src")
      params.outputs = [.init(type: .local, path: path("empty"))]
      _ = try await context.service.send(BuildStart.self, params)
      let written = try await context.output("cat empty/src/a")
      #expect(written == "one\n")
    }
  }

  @Test("cancelled while a stalled client takes an archive, it ends at once, and the next build goes on")
  func cancelled() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let receiver = context.service.process.connection.receiver(credit: 10)
      var params = context.params("FROM busybox:1\nCOPY src /src")
      params.outputs = [.init(type: .tar, stream: receiver.id, initialCredit: 10)]
      let building = Task { [params] in try await context.service.send(BuildStart.self, params) }
      for await _ in receiver.chunks { break }
      building.cancel()
      let error = await #expect(throws: RPCError.self) { _ = try await building.value }
      #expect(error?.data?.kind == .cancelled)
      let again = try await context.build("FROM busybox:1\nCOPY src /src")
      #expect(again.areAllCached)
    }
  }

  @Test("at the REPL, in BuildKit's words")
  func repl() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      try await context.script("printf 'FROM scratch\\nCOPY src /\\n' > context/Dockerfile")
      func repl(_ line: String) async throws -> ChildProcess.Result {
        try await context.store.runProgram("coracle-repl", ["-c", line])
      }
      let place = context.store.directory
      let files = try await repl(
        "build --network none -t x:1 -o type=image -o \(place)/tree -o type=oci,dest=\(place)/x.tar \(context.path)"
      )
      #expect(files.status == .exited(0), "\(files.errorText)")
      #expect(files.text.hasPrefix("x:1  ") && files.text.contains("\(place)/tree  "))
      let found = try await context.output("cat tree/a; tar -tf x.tar | grep -c index.json")
      #expect(found == "one\n1\n")
      let archive = try await repl("build --network none -o - \(context.path)")
      let listed = try await ChildProcess.run(["tar", "-tf", "-"], input: .bytes([UInt8](archive.stdout)))
      #expect(listed.text == "a\nb\n", "\(archive.errorText)")
      #expect(archive.errorText.contains("of 2 instructions from the cache"))
      let wrong = try await repl("build --network none -o type=zip,dest=x \(context.path)")
      #expect(wrong.status != .exited(0))
    }
  }
}
