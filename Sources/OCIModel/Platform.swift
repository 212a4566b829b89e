package import EngineErrors

/// What an image runs on (OCI image specification, "Image Index", `platform`).
package struct Platform: Hashable, Sendable, Codable, CustomStringConvertible {
  package var os: String
  package var architecture: String
  package var variant: String?

  package init(os: String, architecture: String, variant: String? = nil) {
    self.os = os
    self.architecture = architecture
    self.variant = variant
  }

  /// Reads `os/architecture[/variant]`.
  ///
  /// - Throws: `invalidArgument` for any other form.
  package init(parsing text: String) throws(EngineError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard (2...3).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else {
      throw EngineError(
        .invalidArgument, "not a platform: \(text)", hint: "a platform is os/architecture, as linux/amd64")
    }
    self.init(os: parts[0], architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
  }

  /// The platform this program was built for.
  package static var host: Platform {
    #if arch(x86_64)
      Platform(os: "linux", architecture: "amd64")
    #elseif arch(arm64)
      Platform(os: "linux", architecture: "arm64", variant: "v8")
    #else
      #error("no OCI name is known for this architecture")
    #endif
  }

  /// Whether an image for `self` runs where `wanted` is asked for; a variant that is not named matches any.
  package func satisfies(_ wanted: Platform) -> Bool {
    os == wanted.os && architecture == wanted.architecture
      && (variant == nil || wanted.variant == nil || variant == wanted.variant)
  }

  package var description: String {
    [os, architecture, variant].compactMap(\.self).joined(separator: "/")
  }
}
