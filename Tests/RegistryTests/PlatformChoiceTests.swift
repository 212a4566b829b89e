import EngineErrors
import OCIModel
import Registry
import Testing

@Suite struct PlatformChoiceTests {
  private func entry(_ platform: String?, _ mediaType: String = MediaType.ociManifest, size: Int64 = 0) throws
    -> Descriptor
  {
    Descriptor(
      mediaType: mediaType, digest: Digest(of: "\(platform ?? "")\(size)".utf8), size: size,
      platform: try platform.map { try Platform(parsing: $0) })
  }

  private func choose(_ platforms: [String?], _ wanted: String) throws -> String? {
    let index = Index(manifests: try platforms.map { try entry($0) })
    let chosen = try PlatformChoice.select(from: index, wanted: Platform(parsing: wanted))
    return chosen.platform?.description
  }

  @Test func theSameVariantWinsThenTheNearestBelow() throws {
    #expect(try choose(["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"], "linux/arm/v7") == "linux/arm/v7")
    #expect(try choose(["linux/arm/v5", "linux/arm/v6"], "linux/arm/v7") == "linux/arm/v6")
    #expect(try choose(["linux/amd64/v3", "linux/amd64"], "linux/amd64") == "linux/amd64")
    #expect(try choose(["linux/arm64", "linux/amd64"], "linux/arm64/v8") == "linux/arm64")
  }

  @Test func theMissingPlatformNamesThoseThatExist() throws {
    let error = #expect(throws: EngineError.self) {
      try choose(["linux/arm64/v8", "linux/s390x", "unknown/unknown", "linux/s390x"], "linux/amd64")
    }
    #expect(error?.kind == .notFound)
    #expect(error?.subject == "linux/amd64")
    #expect(error?.causes == ["the index has images for linux/arm64/v8, linux/s390x"])
  }

  @Test func anEmptyIndexHasNoImage() {
    let error = #expect(throws: EngineError.self) { try choose([], "linux/amd64") }
    #expect(error?.kind == .notFound)
  }

  @Test func anEntryWithoutPlatformIsTakenOnlyAlone() throws {
    #expect(try choose([nil], "linux/amd64") == nil)
    #expect(throws: EngineError.self) { try choose([nil, "linux/arm64"], "linux/amd64") }
  }

  @Test func attestationsAndOtherKindsAreNoImages() throws {
    let image = try entry("linux/amd64", size: 2)
    let index = Index(manifests: [
      try entry("linux/amd64", "application/vnd.example+json", size: 1), try entry("unknown/unknown"), image,
    ])
    #expect(try PlatformChoice.select(from: index, wanted: Platform(parsing: "linux/amd64")) == image)
  }
}
