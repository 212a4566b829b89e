import EngineErrors
import OCIModel
import Testing

@testable import Metadata

@Suite struct ImageTests {
  @Test func givesBackWhatWasRecorded() async throws {
    try await withDatabasePath { path in
      let recorded = image("one")
      try await MetadataStore(path: path).recordImage(
        recorded, reference: "docker.io/library/one:latest", at: 9)
      let store = try MetadataStore(path: path)
      #expect(try store.image(recorded.manifestDigest) == recorded)
      #expect(try store.image(tagged: "docker.io/library/one:latest") == recorded)
      #expect(try store.images() == [recorded])
      let tag = TagRecord(
        reference: "docker.io/library/one:latest", manifestDigest: recorded.manifestDigest, createdAt: 9)
      #expect(try store.tags() == [tag])
      #expect(try store.tags(of: recorded.manifestDigest) == [tag])
      #expect(try store.tags(of: digest("other")).isEmpty)
      #expect(try store.image(tagged: "docker.io/library/two:latest") == nil)
      #expect(try store.image(digest("other")) == nil)
    }
  }

  @Test func anImageThatIsThereStays() async throws {
    try await withStore { store in
      try await store.recordImage(image("one", createdAt: 1), at: 1)
      try await store.recordImage(image("one", createdAt: 2), reference: "r/one:1", at: 2)
      #expect(try store.images().map(\.createdAt) == [1])
      #expect(try store.tags().count == 1)
    }
  }

  @Test func aNameMovesAndTellsFromWhere() async throws {
    try await withStore { store async throws in
      let (one, two) = (image("one"), image("two"))
      #expect(try await store.recordImage(one, reference: "r/a:1", at: 1) == nil)
      #expect(try await store.recordImage(one, reference: "r/a:1", at: 2) == nil)
      #expect(try await store.recordImage(two, reference: "r/a:1", at: 3) == one.manifestDigest)
      #expect(try await store.setTag("r/a:1", to: one.manifestDigest, at: 4) == two.manifestDigest)
      #expect(try store.tags().map(\.createdAt) == [4])
      #expect(await kind { try await store.setTag("r/a:1", to: digest("none"), at: 5) } == .notFound)
      #expect(try store.image(tagged: "r/a:1") == one)
      try await store.setTag("r/0:1", to: one.manifestDigest, at: 5)
      #expect(try store.imageSummary(one.manifestDigest).references == ["r/0:1", "r/a:1"])
      #expect(try store.imageSummary(two.manifestDigest).references == [])
    }
  }

  @Test func removesANameOnlyWhereItPoints() async throws {
    try await withStore { store in
      let one = image("one")
      try await store.recordImage(one, reference: "r/a:1", at: 1)
      try await store.removeNames(["r/a:1"], of: digest("two"), withImage: false)
      #expect(try store.tags().map(\.reference) == ["r/a:1"])
      try await store.removeNames(["r/a:1"], of: one.manifestDigest, withImage: false)
      #expect(try store.tags().isEmpty)
      #expect(try store.images() == [one])
    }
  }

  @Test func findsImagesByTheBeginningOfTheirDigest() async throws {
    try await withStore { store in
      let one = image("one")
      try await store.recordImage(one, at: 1)
      #expect(try store.images(digestPrefix: one.manifestDigest.short) == [one])
      #expect(try store.images(digestPrefix: one.manifestDigest.hex) == [one])
      for text in ["", "*", "[a-f]", "%", "zz", "sha256:"] {
        #expect(try store.images(digestPrefix: text).isEmpty)
      }
    }
  }

  @Test func removalTakesTheNamesAndReleasesTheLayers() async throws {
    try await withStore { store in
      let (one, two) = (image("one", layers: ["base", "a"]), image("two", layers: ["base", "b"]))
      try await store.recordImage(one, reference: "r/one:1", at: 1)
      try await store.recordImage(two, reference: "r/two:1", at: 1)
      #expect(try store.itemsInUse(.layer) == Set(["base key", "a key", "b key"].map(digest)))
      try await store.removeNames(["r/one:1"], of: one.manifestDigest, withImage: true)
      #expect(try store.image(one.manifestDigest) == nil)
      #expect(try store.tags().map(\.reference) == ["r/two:1"])
      #expect(try store.itemsInUse(.layer) == Set(["base key", "b key"].map(digest)))
    }
  }

  @Test func anImageOfAContainerStays() async throws {
    try await withStore { store in
      let one = image("one")
      try await store.recordImage(one, reference: "r/one:1", at: 1)
      try await store.insertContainer(container("c1", name: "web", of: one))
      let refusal = await failure {
        try await store.removeNames(["r/one:1"], of: one.manifestDigest, withImage: true)
      }
      #expect(refusal?.kind == .inUse)
      #expect(refusal?.causes == ["container web"])
      #expect(try store.tags().count == 1)
      #expect(try await store.removeContainer("c1"))
      try await store.removeNames(["r/one:1"], of: one.manifestDigest, withImage: true)
      #expect(try store.images().isEmpty)
    }
  }
}
