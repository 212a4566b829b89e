import Foundation
import RPCModel
import TestSupport
import Testing

@Suite("Pushes in other forms")
struct PushFormTests {
  /// The manifest that a real tool gets.
  private func raw(_ name: String) async throws -> [String: Any] {
    let shown = try await ChildProcess.run([
      "skopeo", "inspect", "--raw", "--tls-verify=false", "docker://\(name)",
    ])
    #expect(shown.succeeded, "\(shown.errorText)")
    return try #require(try JSONSerialization.jsonObject(with: Data(shown.stdout)) as? [String: Any])
  }

  @Test("with zstd, the same manifest each time; it comes back and runs", arguments: Account.available)
  func zstd(account: Account) async throws {
    try await withTestStore(account) { store in
      try await withDockerRegistry { registry in
        let service = try await store.service()
        let name = "\(registry.host)/demo/app:zstd"
        let image = try await service.importBusybox(store)
        func push() async throws -> ImagePush.Result {
          try await service.send(
            ImagePush.self, .init(image: "busybox:1", destination: name, compression: .zstd))
        }
        let pushed = try await push()
        #expect(pushed.digest != image.digest)
        let again = try await push()
        #expect(again.digest == pushed.digest && again.layers.allSatisfy { $0.outcome == .present })
        let layers = try #require(try await raw(name)["layers"] as? [[String: Any]])
        #expect(
          layers.compactMap { $0["mediaType"] as? String } == ["application/vnd.oci.image.layer.v1.tar+zstd"])
        let pulled = try await service.send(ImagePull.self, .init(reference: name))
        #expect(pulled.image.digest == pushed.digest && pulled.layers.map(\.outcome) == [.present])
        try await withTestStore(account) { other in
          let fresh = try await other.service()
          _ = try await fresh.send(ImagePull.self, .init(reference: name))
          #expect(try await fresh.run(name, ["echo", "here"]).stdout == "here\n")
          #expect(await fresh.stop() == 0)
        }
        // What was made for the pushes goes with the next collection.
        for name in ["busybox:1", name] { _ = try await service.send(ImageRemove.self, .init(image: name)) }
        let left = try await ChildProcess.run(["ls", store.store.appending("blobs/sha256").string])
        #expect(left.text.isEmpty)
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("as an index of several platforms; each gets its own image back")
  func index() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withDockerRegistry { registry in
        let service = try await store.service()
        let archive = try await store.busyboxArchive().string
        var digests: [String: String] = [:]
        for platform in ["linux/amd64", "linux/arm64"] {
          let image = try await service.send(
            ImageImport.self,
            .init(path: archive, reference: "one:\(platform.suffix(5))", platform: platform)
          ).image
          digests[platform] = image.digest
        }
        let name = "\(registry.host)/demo/app:1"
        let pushed = try await service.send(
          ImagePushIndex.self, .init(images: ["one:amd64", "one:arm64"], destination: name))
        #expect((try await raw(name)["manifests"] as? [Any])?.count == 2)
        for (platform, digest) in digests {
          let pulled = try await service.send(ImagePull.self, .init(reference: name, platform: platform))
          #expect(pulled.image.digest == digest)
        }
        let twice = await #expect(throws: RPCError.self) {
          try await service.send(
            ImagePushIndex.self, .init(images: ["one:amd64", "one:amd64"], destination: name))
        }
        #expect(twice?.data?.kind == .invalidArgument)
        let inspected = try await ChildProcess.run([
          "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://\(name)",
        ])
        #expect(inspected.text == pushed.digest + "\n")
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("a layer that another repository of the registry has is not sent again")
  func mounted() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withDockerRegistry { registry in
        let service = try await store.service()
        _ = try await service.importBusybox(store)
        let (base, app) = ("\(registry.host)/base:1", "\(registry.host)/app:1")
        _ = try await service.send(ImageTag.self, .init(image: "busybox:1", reference: base))
        _ = try await service.send(ImagePush.self, .init(image: base))
        let made = try await service.run(base, ["touch", "/new"])
        _ = try await service.send(ContainerCommit.self, .init(container: made.container.id, reference: app))
        let pushed = try await service.send(ImagePush.self, .init(image: app))
        #expect(Set(pushed.layers.map(\.outcome)) == [.mounted, .pushed])
        #expect(pushed.layers.count { $0.outcome == .mounted } == 1)
        #expect(await service.stop() == 0)
      }
    }
  }
}
