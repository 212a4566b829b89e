import ArgumentParser
import Engine

/// What a layer may cost before it counts as a bomb, where the defaults are not meant.
struct UnpackLimitOptions: ParsableArguments {
  @Option(help: "How many bytes a layer may unpack to (default: 64 GiB).")
  var unpackBytes: Int64?

  @Option(help: "How many times its size a layer that unpacks to more than 1 GiB may become (default: 250).")
  var unpackRatio: Int64?

  @Option(help: "How many entries a layer may have (default: 5,000,000).")
  var unpackEntries: Int?

  @Option(help: "The window of zstd layers, which is memory, as a power of two from 10 to 31 (default: 27).")
  var unpackZstdWindow: Int32?

  mutating func validate() throws {
    for (option, value) in [
      ("--unpack-bytes", unpackBytes), ("--unpack-ratio", unpackRatio),
      ("--unpack-entries", unpackEntries.map(Int64.init)),
    ] {
      if let value, value < 1 { throw ValidationError("\(option) takes a number from 1 on, not \(value)") }
    }
    if let window = unpackZstdWindow, !(10...31).contains(window) {
      throw ValidationError("--unpack-zstd-window takes a number from 10 to 31, not \(window)")
    }
  }

  func apply(to configuration: inout EngineConfiguration) {
    if let unpackBytes { configuration.unpackLimits.bytes = unpackBytes }
    if let unpackRatio { configuration.unpackLimits.ratio = unpackRatio }
    if let unpackEntries { configuration.unpackLimits.entries = unpackEntries }
    if let unpackZstdWindow { configuration.unpackLimits.zstdWindowLog = unpackZstdWindow }
  }
}
