import EngineErrors
import OCIModel
import Testing

private let hex = String(repeating: "ab", count: 32)
private let descriptor = #"{"mediaType":"x","digest":"sha256:\#(hex)","size":3}"#

@Suite struct ManifestTests {
  private func parse(_ text: String, _ mediaType: String? = nil) throws -> ManifestDocument {
    try ManifestDocument(parsing: Array(text.utf8), mediaType: mediaType)
  }

  @Test(arguments: [nil, MediaType.ociManifest, "application/json", "text/plain"])
  func anImageIsReadWhateverGeneralTypeItCameWith(mediaType: String?) throws {
    let document = try parse(
      #"{"schemaVersion":2,"config":\#(descriptor),"layers":[\#(descriptor)]}"#, mediaType)
    guard case .image(let manifest) = document else {
      Issue.record("not an image: \(document)")
      return
    }
    #expect(manifest.layers.map(\.size) == [3])
    #expect(manifest.config.digest.hex == hex)
    #expect(document.mediaType == MediaType.ociManifest)
  }

  @Test func dockersTypesAreKept() throws {
    let image = try parse(
      #"{"schemaVersion":2,"mediaType":"\#(MediaType.dockerManifest)","config":\#(descriptor),"layers":[]}"#)
    #expect(image.mediaType == MediaType.dockerManifest)
    let list = try parse(#"{"schemaVersion":2,"manifests":[\#(descriptor)]}"#, MediaType.dockerManifestList)
    #expect(list.mediaType == MediaType.dockerManifestList)
  }

  @Test func whatIsUnknownOrNullIsNoObstacle() throws {
    let image = try parse(
      """
      {"schemaVersion":2,"artifactType":"z","subject":{"a":[1]},"annotations":null,"layers":null,
       "config":{"digest":"sha256:\(hex)","size":0,"urls":[],"data":"eA==","platform":null}}
      """)
    guard case .image(let manifest) = image else {
      Issue.record("not an image: \(image)")
      return
    }
    #expect(manifest.layers.isEmpty)
    #expect(manifest.config.mediaType == "")
    let index = try parse(
      """
      {"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"sha256:\(hex)","size":1,
        "platform":{"os":"linux","architecture":"arm","variant":"v7","os.version":"1","features":["sse4"]}}]}
      """)
    guard case .index(let entries) = index else {
      Issue.record("not an index: \(index)")
      return
    }
    #expect(entries.manifests.first?.platform?.description == "linux/arm/v7")
  }

  @Test(arguments: [
    "", "<html>", "null", "[]", "7", #""text""#, "{", "{}x",
    #"{"schemaVersion":2}"#,
    #"{"schemaVersion":"2","layers":[]}"#,
    #"{"schemaVersion":2,"layers":[]}"#,
    #"{"schemaVersion":2,"config":\#(descriptor),"layers":{}}"#,
    #"{"schemaVersion":2,"config":\#(descriptor),"layers":[7]}"#,
    #"{"schemaVersion":2,"config":{"digest":"sha256:1","size":1},"layers":[]}"#,
    #"{"schemaVersion":2,"config":{"digest":"sha256:\#(hex)","size":-1},"layers":[]}"#,
    #"{"schemaVersion":2,"config":{"digest":"sha256:\#(hex)","size":1e30},"layers":[]}"#,
    #"{"schemaVersion":2,"config":{"digest":"sha256:\#(hex)","size":99999999999999999999},"layers":[]}"#,
    #"{"schemaVersion":2,"config":{"digest":"sha256:\#(hex)"},"layers":[]}"#,
    // Two readings of one document (CVE-2021-41190).
    #"{"schemaVersion":2,"config":\#(descriptor),"layers":[],"manifests":[]}"#,
    #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","config":\#(descriptor),"layers":[]}"#,
    String(repeating: "[", count: 100_000),
    #"{"schemaVersion":2,"x":\#(String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000))}"#,
  ])
  func whatIsNoManifestIsCorrupt(text: String) {
    let error = #expect(throws: EngineError.self) { try parse(text) }
    #expect(error?.kind == .corrupt)
  }

  @Test func aTypeThatContradictsTheFieldsIsCorrupt() {
    let image = #"{"schemaVersion":2,"config":\#(descriptor),"layers":[]}"#
    for type in [MediaType.ociIndex, MediaType.dockerManifestList] {
      let error = #expect(throws: EngineError.self) { try parse(image, type) }
      #expect(error?.kind == .corrupt)
    }
  }

  @Test func olderAndOtherManifestsAreUnsupported() {
    for (text, type) in [
      (#"{"schemaVersion":1,"fsLayers":[]}"#, nil),
      (#"{"schemaVersion":2,"layers":[]}"#, "application/vnd.example+json"),
      (#"{"layers":[]}"#, nil),
    ] as [(String, String?)] {
      let error = #expect(throws: EngineError.self) { try parse(text, type) }
      #expect(error?.kind == .unsupported)
    }
  }

  @Test func anErrorNamesTheField() {
    let text = #"{"schemaVersion":2,"config":\#(descriptor),"layers":[{"digest":"sha256:zz","size":1}]}"#
    let error = #expect(throws: EngineError.self) { try parse(text) }
    #expect(error?.causes.first?.contains("layers.0.digest") == true, "\(String(describing: error))")
  }
}

@Suite struct ImageConfigTests {
  @Test func dockersConfigIsRead() throws {
    let text = """
      {"architecture":"amd64","os":"linux","created":"2024-01-01T00:00:00Z","docker_version":"24",
       "config":{"Env":["A=b"],"Cmd":["sh"],"Entrypoint":null,"Labels":null,"ExposedPorts":{"80/tcp":{}},
                 "Volumes":null,"User":"","Healthcheck":{"Test":["NONE"]}},
       "rootfs":{"type":"layers","diff_ids":null},"history":[{"created_by":"x","empty_layer":true}]}
      """
    let config = try ImageConfig(parsing: Array(text.utf8))
    #expect(config.platform == Platform(os: "linux", architecture: "amd64"))
    #expect(config.config?.env == ["A=b"])
    #expect(config.config?.entrypoint == nil)
    #expect(config.config?.exposedPorts?.keys.sorted() == ["80/tcp"])
    #expect(config.rootfs.diffIDs.isEmpty)
    #expect(config.history?.first?.emptyLayer == true)
  }

  @Test(arguments: [
    "", "{}", #"{"architecture":"a","os":"b","rootfs":{"diff_ids":["x"]}}"#, #"{"architecture":7}"#,
  ])
  func aConfigThatCannotBeReadIsCorrupt(text: String) {
    let error = #expect(throws: EngineError.self) { try ImageConfig(parsing: Array(text.utf8)) }
    #expect(error?.kind == .corrupt)
  }
}
