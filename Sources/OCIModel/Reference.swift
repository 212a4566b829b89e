package import EngineErrors

/// An image's name: `[registry/]repository[:tag][@digest]`, in the grammar of the distribution
/// specification, with Docker's short forms (`nginx` is `docker.io/library/nginx:latest`).
package struct Reference: Hashable, Sendable, CustomStringConvertible {
  /// Host and optional port, such as `docker.io` or `localhost:5000`.
  package var registry: String
  package var repository: String
  /// Nil only where a digest is given without a tag.
  package var tag: String?
  package var digest: Digest?

  package init(registry: String, repository: String, tag: String?, digest: Digest? = nil) {
    self.registry = registry
    self.repository = repository
    self.tag = tag
    self.digest = digest
  }

  /// - Throws: `invalidArgument` that says which part is wrong.
  package init(parsing text: String) throws(EngineError) {
    func reject(_ why: String) -> EngineError {
      EngineError(
        .invalidArgument, "not an image name: '\(text.prefix(200))'", subject: text, causes: [why],
        hint: "an image name is [registry/]name[:tag][@sha256:digest], in lower case and without spaces")
    }
    guard text.utf8.count <= 512 else { throw reject("it is longer than 512 bytes") }
    var rest = Substring(text)
    if let at = rest.firstIndex(of: "@") {
      do { digest = try Digest(rest[rest.index(after: at)...]) } catch { throw reject(error.message) }
      rest = rest[..<at]
    }
    let lastSlash = rest.lastIndex(of: "/") ?? rest.startIndex
    if let colon = rest[lastSlash...].lastIndex(of: ":") {
      let tag = rest[rest.index(after: colon)...]
      guard Self.isTag(tag) else { throw reject("'\(tag)' is not a tag") }
      self.tag = String(tag)
      rest = rest[..<colon]
    } else if digest == nil {
      tag = "latest"
    }
    if let slash = rest.firstIndex(of: "/"), Self.looksLikeRegistry(rest[..<slash]) {
      registry = String(rest[..<slash])
      rest = rest[rest.index(after: slash)...]
      guard Self.isRegistry(registry) else { throw reject("'\(registry)' is not a registry's host and port") }
      // Docker Hub's older name, which Docker takes for the same registry.
      if registry == "index.docker.io" { registry = "docker.io" }
    } else {
      registry = "docker.io"
    }
    guard Digest(hex: rest) == nil else {
      throw reject("64 hexadecimal digits are an image's id, not its name")
    }
    guard rest.utf8.count <= 255 else { throw reject("the repository's name is longer than 255 bytes") }
    let components = rest.split(separator: "/", omittingEmptySubsequences: false)
    for component in components where !Self.isComponent(component) {
      throw reject(
        component.isEmpty ? "a part of the name is empty" : "'\(component)' is not a part of a name")
    }
    repository = (registry == "docker.io" && components.count == 1 ? "library/" : "") + String(rest)
  }

  /// A registry's name alone, as references have it; Docker Hub's where none is given.
  ///
  /// - Throws: `invalidArgument` for what is no host and port.
  package static func registry(parsing text: String?) throws(EngineError) -> String {
    guard let text, !["index.docker.io", "https://index.docker.io/v1/"].contains(text) else {
      return "docker.io"
    }
    guard isRegistry(text) else {
      throw EngineError(
        .invalidArgument, "not a registry's name: '\(text.prefix(200))'", subject: text,
        hint: "give its host, and its port where it has one, as in localhost:5000")
    }
    return text
  }

  package var description: String {
    var text = "\(registry)/\(repository)"
    if let tag { text += ":\(tag)" }
    if let digest { text += "@\(digest)" }
    return text
  }

  /// The name as people write it: Docker Hub's host and `library/` left out.
  package var familiar: String {
    let name = description
    for prefix in ["docker.io/library/", "docker.io/"] where name.hasPrefix(prefix) {
      return String(name.dropFirst(prefix.count))
    }
    return name
  }

  /// What the registry's API takes as the manifest's name: the digest where there is one, else the tag.
  package var manifestName: String { digest?.description ?? tag ?? "latest" }

  private static func looksLikeRegistry(_ text: Substring) -> Bool {
    text == "localhost" || text.contains(".") || text.contains(":")
  }

  private static func isRegistry(_ text: String) -> Bool {
    guard let host = text.wholeMatch(of: registryForm) else { return false }
    return host.port.map { UInt16($0) != nil } ?? true
  }

  // Each start looks at these two, and by hand that is a hundredth of the time of a regular expression.

  /// `[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`
  private static func isComponent(_ text: Substring) -> Bool {
    var separator: [UInt8] = []
    var hasName = false
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        guard
          separator.count < 2 || separator == Array("__".utf8)
            || separator.allSatisfy({ $0 == UInt8(ascii: "-") })
        else { return false }
        separator = []
        hasName = true
      case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
        guard hasName else { return false }
        separator.append(byte)
      default: return false
      }
    }
    return hasName && separator.isEmpty
  }

  /// `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`
  private static func isTag(_ text: Substring) -> Bool {
    guard let first = text.utf8.first, text.utf8.count <= 128 else { return false }
    func isWord(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    return isWord(first)
      && text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
  }

  // Compiled once: that takes far longer than a match. A regular expression never changes, and compiles itself
  // atomically; it is no Sendable only because others may hold closures.
  nonisolated(unsafe) private static let registryForm =
    #/(?<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::(?<port>[0-9]{1,5}))?/#
}
