import OCIModel
import RPCModel
import TestSupport
import Testing

@Suite("Layers that are fetched at the same time")
struct ConcurrentLayersTests {
  /// A pull whose first layer never ends; `body` gets the paths that were asked for when `others` of the rest are there.
  private func besideAnEndlessLayer(
    atOnce: Int, others: Int, _ body: @Sendable (ServedImage, [String]) -> Void
  ) async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        var tars: [[UInt8]] = []
        for number in 0..<4 {
          tars.append(try await store.busyboxArchive("echo \(number) > \"$root\"/number").readAll())
        }
        let image = try await ServedImage(tars: tars)
        image.serve(on: server)
        let endless = image.layers[0]
        server.on(
          "GET", "/v2/app/blobs/\(Digest(of: endless))", .blob(endless, fault: .hangs(afterBytes: 1000)))
        let service = try await store.service()
        let pull = Task {
          try await service.send(
            ImagePull.self, .init(reference: "\(server.host)/app:1", concurrentLayers: atOnce))
        }
        await service.notifications.wait { all in
          let begun = all.contains {
            if case .taskProgressed(let task) = $0 { task.done >= 1000 } else { false }
          }
          let ended = all.count { if case .taskFinished = $0 { true } else { false } }
          return begun && ended >= others
        }
        body(image, server.requests.map(\.target))
        pull.cancel()
        await #expect(throws: RPCError.self) { try await pull.value }
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test("one at once: the next is not asked for before the one before it is there")
  func one() async throws {
    try await besideAnEndlessLayer(atOnce: 1, others: 0) { image, asked in
      for layer in image.layers.dropFirst() {
        #expect(!asked.contains { $0.hasSuffix("\(Digest(of: layer))") })
      }
    }
  }

  @Test("two at once: the others go by one that does not end")
  func two() async throws {
    try await besideAnEndlessLayer(atOnce: 2, others: 3) { image, asked in
      for layer in image.layers { #expect(asked.contains { $0.hasSuffix("\(Digest(of: layer))") }) }
    }
  }
}
