/// What a person has said of a registry, by its name in references, or of a mirror, by its host and port.
package struct RegistrySettings: Hashable, Sendable {
  /// Where else its images are, asked before it and in this order: `host[:port][/prefix]`, with `http://` or `https://`
  /// in front where that is not to be guessed. Pushes go to the registry itself.
  package var mirrors: [String]
  /// Whether any certificate will do, and plain HTTP where there is none.
  package var isInsecure: Bool

  package init(mirrors: [String] = [], isInsecure: Bool = false) {
    self.mirrors = mirrors
    self.isInsecure = isInsecure
  }
}
