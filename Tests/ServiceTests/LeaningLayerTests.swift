import OCIModel
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Layers that lean on those below them")
struct LeaningLayerTests {
  /// A layer that has a file in `/tmp` and no entry for `/tmp`.
  private func leaning(_ store: TestStore) async throws -> [UInt8] {
    let made = try await ChildProcess.run(
      ["sh", "-ec", "mkdir tmp; echo x > tmp/x; tar --owner 0 --group 0 -cf - tmp/x; rm -r tmp"],
      workingDirectory: store.directory)
    #expect(made.succeeded, "\(made.errorText)")
    return made.stdout
  }

  private func modes(_ service: TestService, _ name: String) async throws -> String {
    let run = try await service.run(name, ["ls", "-ldn", "/tmp", "/tmp/x"]) { $0.autoRemove = true }
    return run.stdout.split(separator: "\n").map { String($0.prefix(10)) }.joined(separator: " ")
  }

  @Test(
    "each place has a tree of its own, whichever came first, pulled, imported or loaded",
    arguments: Account.available)
  func places(account: Account) async throws {
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let layer = try await leaning(store)
        let base = try await store.busyboxArchive("chmod 1777 tmp").readAll()
        // Nothing runs on a layer alone: the second one has a shell beside it.
        try await ServedImage(tars: [layer, base]).serve(on: server, as: "bottom")
        try await ServedImage(tars: [base, layer]).serve(on: server, as: "top")
        let service = try await store.service()
        let (bottom, top) = ("\(server.host)/bottom:1", "\(server.host)/top:1")
        _ = try await service.send(ImagePull.self, .init(reference: bottom))
        _ = try await service.send(ImagePull.self, .init(reference: top))
        let expected = "drwxrwxrwt -rw-r--r--"
        #expect(try await modes(service, top) == expected)
        let archive = store.directory.appending("saved.tar")
        _ = try await service.send(ImageSave.self, .init(images: [top], path: archive.string))
        for name in [top, bottom] { _ = try await service.send(ImageRemove.self, .init(image: name)) }

        let tar = store.directory.appending("layer.tar")
        try tar.write(layer)
        _ = try await service.send(ImageImport.self, .init(path: tar.string, reference: "alone:1"))
        #expect(try await service.send(ImageVerify.self, .init()).problems.isEmpty)
        _ = try await service.send(ImageLoad.self, .init(path: archive.string))
        #expect(try await modes(service, top) == expected)
        let verified = try await service.send(ImageVerify.self, .init())
        #expect(verified.problems.isEmpty && verified.layers == 3, "\(verified.problems)")
        #expect(await service.stop() == 0)
      }
    }
  }
}
