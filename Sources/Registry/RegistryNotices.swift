import Synchronization

/// What registries say besides their answers, collected over one piece of work.
package final class RegistryNotices: Sendable {
  /// Of the work that the task at hand belongs to.
  @TaskLocal package static var current: RegistryNotices?

  /// A registry's words for the person, such as that a repository is about to go (distribution specification, "Warnings").
  package struct Warning: Hashable, Sendable {
    package var registry: String
    package var text: String
  }

  /// How often a registry may still be asked (the RateLimit header fields, as Docker Hub and others send them).
  package struct RateLimit: Hashable, Sendable {
    package var registry: String
    package var limit: Int
    package var remaining: Int
    /// What `limit` is for, in seconds; nil where the registry does not say.
    package var window: Int?
  }

  private struct Content {
    var warnings: [Warning] = []
    var rateLimit: RateLimit?
  }

  /// A registry has no right to fill the memory.
  private static let most = 20
  private let content = Mutex(Content())

  package init() {}

  /// Each once, in the order in which they came.
  package var warnings: [Warning] { content.withLock { $0.warnings } }

  /// The last one that was told.
  package var rateLimit: RateLimit? { content.withLock { $0.rateLimit } }

  func take(_ head: ResponseHead, from registry: String) {
    let warnings = head.all("warning").compactMap(Self.text)
    for text in warnings { warn(text, about: registry) }
    if let limit = RateLimit(head, registry) { content.withLock { $0.rateLimit = limit } }
  }

  /// Adds words of our own about a registry.
  func warn(_ text: String, about registry: String) {
    let warning = Warning(registry: registry, text: text)
    content.withLock { content in
      if content.warnings.count < Self.most, !content.warnings.contains(warning) {
        content.warnings.append(warning)
      }
    }
  }

  /// The text of `299 - "text"`; other codes are between caches (RFC 7234, section 5.5).
  private static func text(_ field: String) -> String? {
    guard field.hasPrefix("299 "), let start = field.firstIndex(of: "\""),
      let end = field.lastIndex(of: "\""),
      start < end
    else { return nil }
    let quoted = field[field.index(after: start)..<end]
    return quoted.replacing("\\\"", with: "\"").replacing("\\\\", with: "\\").printable
  }
}

extension RegistryNotices.RateLimit {
  /// From `RateLimit-Limit: 100;w=21600` and `RateLimit-Remaining`, whose own window says no more.
  fileprivate init?(_ head: ResponseHead, _ registry: String) {
    guard let limit = head["ratelimit-limit"].map(Self.parts), let count = limit.first.flatMap({ Int($0) }),
      let remaining = head["ratelimit-remaining"].flatMap({ Int(Self.parts($0).first ?? "") })
    else { return nil }
    self.registry = registry
    self.limit = count
    self.remaining = remaining
    window = limit.dropFirst().first { $0.hasPrefix("w=") }.flatMap { Int($0.dropFirst(2)) }
  }

  private static func parts(_ field: String) -> [String] {
    field.split(whereSeparator: { ";, ".contains($0) }).map(String.init)
  }
}
