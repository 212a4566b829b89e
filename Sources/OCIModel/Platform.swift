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
    guard (2...3).contains(parts.count), parts.allSatisfy(Self.isWord) else {
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

  /// Whether an image for `self` runs where `wanted` is asked for: the same system and architecture, and a
  /// variant that is not above the wanted one. So an image for linux/amd64/v3 is not chosen for linux/amd64,
  /// whose processors may lack its instructions, and one for linux/arm/v6 is good enough for linux/arm/v7.
  package func satisfies(_ wanted: Platform) -> Bool {
    guard os == wanted.os, architecture == wanted.architecture else { return false }
    guard let own = variantLevel, let limit = wanted.variantLevel else { return variant == wanted.variant }
    return own <= limit
  }

  /// The variant as a number, for comparison within one architecture: 800 for `v8`, 802 for `v8.2`. One that
  /// is not named is the architecture's usual one. Nil for a form that is not known.
  package var variantLevel: Int? {
    guard let variant, !variant.isEmpty else {
      return switch architecture {
      case "arm64": 800
      case "arm": 700
      default: 100
      }
    }
    guard let match = variant.wholeMatch(of: Self.variantForm), let major = Int(match.1)
    else { return nil }
    return major * 100 + (match.2.flatMap { Int($0) } ?? 0)
  }

  private static func isWord(_ text: String) -> Bool {
    text.wholeMatch(of: wordForm) != nil
  }

  // Compiled once, as in `Reference`.
  nonisolated(unsafe) private static let wordForm = #/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/#
  nonisolated(unsafe) private static let variantForm = #/v?([0-9]{1,4})(?:\.([0-9]{1,2}))?/#

  package var description: String {
    let short = os + "/" + architecture
    return variant.map { short + "/" + $0 } ?? short
  }
}
