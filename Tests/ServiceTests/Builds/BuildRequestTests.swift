import Foundation
import RPCModel
import RPCTransport
import TestSupport
import Testing

/// What a build makes of what it is given besides files.
@Suite("Builds: arguments, labels, secrets and what of them is of no use")
struct BuildRequestTests {
  @Test(
    "a proxy that an ARG declares decides about what follows, and one that nothing declares does not",
    arguments: Account.available)
  func proxies(account: Account) async throws {
    try await withBuildContext(account) { context in
      func build(_ file: String, _ proxy: String?) async throws -> (
        cached: [Bool], text: String, name: String
      ) {
        let output = FoundDigest()
        let built = try await context.build(file, output: output) {
          $0.arguments = proxy.map { ["HTTP_PROXY": $0] }
        }
        return (built.steps.map(\.cached), output.text, built.image.digest)
      }
      let declared = "FROM busybox:1\nARG HTTP_PROXY\nRUN echo \"$HTTP_PROXY\""
      _ = try await build(declared, "http://a")
      let again = try await build(declared, "http://a")
      #expect(again.cached == [true, true, true])
      let other = try await build(declared, "http://b")
      #expect(other.cached == [true, false, false] && other.text == "#3 http://b\n", "\(other)")
      let history = try await context.service.send(ImageHistory.self, .init(image: other.name)).entries
      #expect(history.contains { $0.createdBy?.contains("ARG HTTP_PROXY=http://b") == true })

      let written = "FROM busybox:1\nARG no_proxy=one\nRUN echo \"$no_proxy\""
      _ = try await build(written, nil)
      let edited = try await build(written.replacing("one", with: "two"), nil)
      #expect(edited.cached == [true, false, false] && edited.text == "#3 two\n", "\(edited)")

      let undeclared = "FROM busybox:1\nRUN echo undeclared \"$HTTP_PROXY\""
      let first = try await build(undeclared, "http://a")
      let second = try await build(undeclared, "http://b")
      #expect(
        first.text == "#2 undeclared http://a\n" && second.cached == [true, true], "\(first) \(second)")
      #expect(first.name == second.name)
      let image = try await context.service.send(ImageHistory.self, .init(image: first.name)).entries
      #expect(!image.contains { $0.createdBy?.contains("http://") == true })
    }
  }

  @Test("labels of the request win over the file's, and MAINTAINER is the image's author")
  func labels() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let file = "FROM busybox:1\nLABEL a=file b=file\nMAINTAINER Somebody <some@example.invalid>"
      let built = try await context.build(file, references: ["labels:1"]) {
        $0.labels = ["a": "request", "c": "new one"]
      }
      #expect(built.warnings?.map(\.rule) == ["MaintainerDeprecated"])
      let config = try await context.service.send(ImageInspect.self, .init(image: "labels:1")).config
      #expect(config.labels == ["a": "request", "b": "file", "c": "new one"])
      // All that is before them is the same, and labels are no part of it.
      let plain = try await context.build(file)
      #expect(plain.areAllCached && plain.image.digest != built.image.digest)

      var params = context.params(file, references: ["labels:1"])
      params.outputs = [.init(type: .oci, path: context.path("labels"), directory: true)]
      _ = try await context.service.send(BuildStart.self, params)
      let author = try await context.output(
        """
        python3 - << 'end'
        import json
        def blob(digest): return json.load(open("labels/blobs/" + digest.replace(":", "/")))
        manifest = blob(json.load(open("labels/index.json"))["manifests"][0]["digest"])
        print(blob(manifest["config"]["digest"])["author"])
        end
        """)
      #expect(author == "Somebody <some@example.invalid>\n")
    }
  }

  @Test(
    "what of a request is of no use is told, by builds and by what explains them",
    arguments: Account.available)
  func unused(account: Account) async throws {
    try await withBuildContext(account) { context in
      let file = """
        # syntax=example.com/other/frontend:1
        FROM busybox:1
        ARG VERSION=1
        RUN --mount=type=secret,id=key true
        """
      func change(_ description: inout BuildDescription) {
        description.arguments = ["VERISON": "2", "HTTP_PROXY": "x"]
        description.secrets = [BuildSecret(id: "key", value: "v"), BuildSecret(id: "kye", value: "v")]
        description.ssh = [BuildAgent(id: "default", path: context.path("nobody"))]
        description.contexts = ["busybx": context.path]
      }
      let wanted = [
        "the file asks for the frontend example.com/other/frontend:1, and is read as one for docker/dockerfile:1.20",
        "nothing takes files from the context busybx",
        "no ARG declares the argument VERISON: did you mean VERSION?",
        "no RUN mounts the secret kye: did you mean key?", "no RUN asks for the SSH agent default",
      ]
      let built = try await context.build(file, change: change)
      #expect(built.requestWarnings == wanted)
      var description = BuildDescription(context: context.path, dockerfile: file, network: "none")
      change(&description)
      var params = BuildExplain.Params(description)
      let explained = try await context.service.send(BuildExplain.self, params)
      #expect(explained.requestWarnings == wanted)
      // Where ONBUILD came, it may ask for anything.
      _ = try await context.build("FROM busybox:1\nONBUILD ARG VERISON", references: ["trigger:1"])
      let triggered = try await context.build("FROM trigger:1") { $0.arguments = ["OTHER": "x"] }
      #expect(triggered.requestWarnings == nil)
      params.arguments = ["VERSION": "2"]
      params.secrets = nil
      params.ssh = nil
      params.contexts = nil
      params.dockerfile = file.replacing("example.com/other/frontend:1", with: "docker/dockerfile:1.20-labs")
      let quiet = try await context.service.send(BuildExplain.self, params)
      #expect(quiet.requestWarnings == nil)
    }
  }

  @Test("what no variable can hold is refused as one, with what to do")
  func secretBytes() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      for (base64, word) in [("6Xg=", "UTF-8"), ("YQBi", "NUL")] {
        let error = try await context.failure("FROM busybox:1\nRUN --mount=type=secret,id=k,env=K true") {
          $0.secrets = [BuildSecret(id: "k", base64: base64)]
        }
        #expect(error.data?.kind == .invalidArgument && error.message.contains(word), "\(error.message)")
        #expect(
          error.message.hasPrefix("Dockerfile:2:5: ") && error.data?.hint?.contains("without env") == true)
      }
    }
  }

  @Test("while large Dockerfiles are read, others are answered, and a cancel ends it")
  func large() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      // More of them than there are threads for what must not wait.
      try await context.script(
        "cd context; (printf 'FROM busybox:1\\nENV b=1 \\\\\\n'; yes 'a=1 \\' | head -n 100000; echo ' c=1') > Large"
      )
      let reading = (0..<8).map { _ in
        Task {
          try await context.service.send(
            BuildExplain.self, .init(BuildDescription(context: context.path, file: "Large")))
        }
      }
      let images = try await context.images()
      #expect(images.names == ["docker.io/library/busybox:1"])
      for task in reading { task.cancel() }
      for task in reading {
        do { _ = try await task.value } catch let error as RPCError {
          #expect(error.data?.kind == .cancelled)
        }
      }
    }
  }
}
