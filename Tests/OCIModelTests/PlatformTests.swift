import EngineErrors
import OCIModel
import Testing

@Suite struct PlatformTests {
  @Test(arguments: ["linux/amd64", "linux/arm64/v8", "linux/arm/v7", "windows/amd64"])
  func isReadAndWrittenTheSame(text: String) throws {
    #expect(try Platform(parsing: text).description == text)
  }

  @Test(arguments: [
    "", "linux", "linux/", "/amd64", "linux/arm64/", "linux/arm/v7/x", "li nux/amd64", "linux/am\nd",
  ])
  func isRefused(text: String) {
    let error = #expect(throws: EngineError.self) { try Platform(parsing: text) }
    #expect(error?.kind == .invalidArgument)
  }

  @Test(arguments: [
    ("linux/amd64", "linux/amd64", true),
    ("linux/amd64/v1", "linux/amd64", true),
    ("linux/amd64/v3", "linux/amd64", false),
    ("linux/amd64/v2", "linux/amd64/v3", true),
    ("linux/arm64", "linux/arm64/v8", true),
    ("linux/arm64/v8", "linux/arm64", true),
    ("linux/arm64/v8.2", "linux/arm64", false),
    ("linux/arm/v6", "linux/arm/v7", true),
    ("linux/arm/v7", "linux/arm/v6", false),
    ("linux/arm/v7", "linux/arm", true),
    ("linux/arm/odd", "linux/arm/odd", true),
    ("linux/arm/odd", "linux/arm", false),
    ("windows/amd64", "linux/amd64", false),
    ("linux/arm/v7", "linux/arm64", false),
  ])
  func anImageRunsWhereItsVariantIsNotAboveTheWantedOne(image: String, wanted: String, fits: Bool) throws {
    #expect(try Platform(parsing: image).satisfies(Platform(parsing: wanted)) == fits)
  }

  @Test func theHostIsLinux() {
    #expect(Platform.host.os == "linux")
    #expect(Platform.host.satisfies(.host))
  }
}
