import GRDB
import OCIModel
import SystemPackage
import Testing

@testable import Metadata

@Suite("What images take up on the disk")
struct ItemTests {
  /// An image of these layers, which the test's own `sizes` measure.
  private func record(
    _ name: String, _ layers: [String], _ sizes: [StoreItem: Int64], in store: MetadataStore
  ) async throws {
    let image = image(name, layers: layers)
    try await store.recordImage(image, sizes: sizes.filter { image.items.contains($0.key) }, at: 1)
  }

  /// Total and unique bytes of each image, from what images need: the sums that the triggers keep.
  private func sums(_ store: MetadataStore) throws -> [Digest: [Int64]] {
    var sums: [Digest: [Int64]] = [:]
    for use in try store.itemUses() {
      for image in use.images {
        sums[image, default: [0, 0]][0] += use.bytes ?? 0
        if use.images.count == 1 { sums[image, default: [0, 0]][1] += use.bytes ?? 0 }
      }
    }
    return sums
  }

  private func listed(_ store: MetadataStore) throws -> [Digest: [Int64]] {
    Dictionary(
      uniqueKeysWithValues: try store.imageSummaries().map { ($0.digest, [$0.totalBytes, $0.uniqueBytes]) })
  }

  @Test func whatIsSharedIsNoImagesAlone() async throws {
    try await withStore { store in
      let (base, top) = (StoreItem(.layer, digest("base key")), StoreItem(.layer, digest("top key")))
      try await record("one", ["base", "top"], [base: 100, top: 10], in: store)
      #expect(try listed(store) == [digest("one"): [110, 110]])
      #expect(
        try store.unmeasured(among: [base, StoreItem(.layer, digest("none"))]) == [
          StoreItem(.layer, digest("none"))
        ])
      // What is known stays as it was measured.
      try await record("two", ["base"], [base: 7], in: store)
      #expect(try listed(store) == [digest("one"): [110, 10], digest("two"): [100, 0]])
      #expect(try store.sharers(of: [base, top], besides: digest("two")) == [digest("one").description])
      #expect(try store.sharers(of: [top], besides: digest("one")) == [])
      try await store.removeNames([], of: digest("two"), withImage: true)
      #expect(try listed(store) == [digest("one"): [110, 110]])
      try await store.recordSizes([base: 101, StoreItem(.blob, digest("none")): 5])
      #expect(try listed(store) == [digest("one"): [111, 111]])
    }
  }

  @Test("sums stay right through any order of images that come and go", arguments: 0..<8)
  func sumsStayRight(seed: UInt64) async throws {
    var random = SeededRandom(state: seed &+ 1)
    try await withStore { store in
      var there: Set<String> = []
      for _ in 0..<60 {
        let name = "image \(Int.random(in: 0..<8, using: &random))"
        if there.contains(name), Bool.random(using: &random) {
          try await store.removeNames([], of: digest(name), withImage: true)
          there.remove(name)
        } else if !there.contains(name) {
          let layers = (0..<6).filter { _ in Bool.random(using: &random) }.map { "layer \($0)" }
          var sizes: [StoreItem: Int64] = [:]
          for item in image(name, layers: layers).items where Int.random(in: 0..<5, using: &random) > 0 {
            sizes[item] = Int64.random(in: 0..<1000, using: &random)
          }
          try await record(name, layers, sizes, in: store)
          there.insert(name)
        } else if let item = try store.itemUses().randomElement(using: &random)?.item {
          try await store.recordSizes([item: Int64.random(in: 0..<1000, using: &random)])
        }
        #expect(try listed(store) == sums(store))
        #expect(Set(try listed(store).keys) == Set(there.map { digest($0) }))
      }
    }
  }

  @Test func aStoreOfTheFirstVersionIsBroughtOn() async throws {
    try await withDatabasePath { path in
      let (one, two) = (image("one", layers: ["base", "a"]), image("two", layers: ["base"]))
      let database = try DatabaseQueue(path: path.string)
      try await database.write { database in
        try database.execute(sql: Schema.first)
        for image in [one, two] {
          // Without the last one, which came later.
          let values = try image.arguments()
          try database.execute(
            sql: """
              INSERT INTO images (\(ImageRecord.columns))
              SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE ?9 IS NOT NULL
              """, arguments: values)
        }
        try database.execute(sql: "PRAGMA user_version = 1")
      }
      try database.close()
      let store = try MetadataStore(path: path)
      #expect(Set(try store.images()) == [one, two])
      let base = StoreItem(.layer, digest("base key"))
      #expect(try store.sharers(of: [base], besides: one.manifestDigest) == [two.manifestDigest.description])
      #expect(try store.unmeasured(among: one.items) == one.items)
      try await store.recordSizes([base: 10, StoreItem(.layer, digest("a key")): 1])
      #expect(try listed(store) == [one.manifestDigest: [11, 1], two.manifestDigest: [10, 0]])
      #expect(try store.imageSummaries().map(\.layerCount).sorted() == [1, 2])
    }
  }
}

/// The same numbers for the same seed (xorshift).
private struct SeededRandom: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}
