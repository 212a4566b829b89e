/// Where it is said what a context has not.
enum IgnoreSource: Sendable {
  /// In the context: `.dockerignore`, or before it that of a Dockerfile there.
  case context(dockerfile: String?)
  /// Of a Dockerfile that is elsewhere.
  case text([UInt8], name: String)

  init(_ request: BuildRequest) {
    let name = request.dockerfile ?? "Dockerfile"
    if let text = request.ignoreText {
      self = .text(text, name: Self.file(name))
    } else {
      // What is only called like a file of the context has nothing to do with that.
      self = .context(dockerfile: request.dockerfileText == nil ? name : nil)
    }
  }

  /// In the context, the first that is there counts.
  var files: [String] {
    guard case .context(let dockerfile) = self else { return [] }
    return (dockerfile.map { [Self.file($0)] } ?? []) + [".dockerignore"]
  }

  private static func file(_ dockerfile: String) -> String { dockerfile + ".dockerignore" }
}
