package import EngineErrors

/// What a build is given besides its files.
package struct BuildInputs: Hashable, Sendable {
  /// `--build-arg`.
  package var arguments: [String: String]
  package var buildPlatform: PlatformName
  package var targetPlatform: PlatformName
  /// The stage that is built.
  package var target: String

  /// A platform's parts as the predefined arguments have them.
  package struct PlatformName: Hashable, Sendable {
    package var os: String
    package var architecture: String
    package var variant: String?

    package init(os: String, architecture: String, variant: String? = nil) {
      self.os = os
      self.architecture = architecture
      self.variant = variant
    }

    var text: String { ([os, architecture] + (variant.map { [$0] } ?? [])).joined(separator: "/") }
  }

  package init(
    arguments: [String: String] = [:], buildPlatform: PlatformName, targetPlatform: PlatformName,
    target: String
  ) {
    self.arguments = arguments
    self.buildPlatform = buildPlatform
    self.targetPlatform = targetPlatform
    self.target = target.isEmpty ? "default" : target
  }

  var predefined: [(String, String)] {
    func platform(_ prefix: String, _ platform: PlatformName) -> [(String, String)] {
      [
        ("PLATFORM", platform.text), ("OS", platform.os), ("ARCH", platform.architecture),
        ("VARIANT", platform.variant ?? ""),
      ].map { (prefix + $0.0, $0.1) }
    }
    return platform("BUILD", buildPlatform) + platform("TARGET", targetPlatform) + [("TARGETSTAGE", target)]
  }

  /// Known to every RUN without being declared; they are in no image and in no key of the cache then.
  package static let proxies: Set<String> = Set(
    ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"].flatMap { [$0, $0.lowercased()] })
}

/// The arguments before the first FROM, and what is predefined: for FROMs, and for the ARGs of stages that have no value of
/// their own.
package struct GlobalScope: Hashable, Sendable {
  package private(set) var variables = Variables()
  /// Names that the file declares before the first FROM.
  package private(set) var declared: Set<String> = []
  package let inputs: BuildInputs
  let file: SourceFile
  let escape: Unicode.Scalar

  /// - Throws: for a value that cannot be made out.
  package init(_ dockerfile: Dockerfile, _ inputs: BuildInputs) throws(EngineError) {
    self.inputs = inputs
    file = dockerfile.file
    escape = Unicode.Scalar(dockerfile.directives.escape)
    var work = 0
    for (name, value) in inputs.predefined { variables[name] = inputs.arguments[name] ?? value }
    for instruction in dockerfile.arguments {
      guard case .arg(let declarations) = instruction.content else { continue }
      for declaration in declarations {
        let name = declaration.name.text
        declared.insert(name)
        if let given = inputs.arguments[name] {
          variables[name] = given
        } else if let value = declaration.value {
          // Not with a copy of all variables for each of them.
          variables[name] = try Self.text(of: value, file, escape, variables, &work)
        }
      }
    }
  }

  private static func text(
    of word: Word, _ file: SourceFile, _ escape: Unicode.Scalar, _ variables: Variables, _ work: inout Int
  ) throws(EngineError) -> String {
    try file.expand(word, ShellLexer(escape: escape), &work) { variables[$0] }.text
  }

  package func expand(_ word: Word) throws(EngineError) -> ShellLexer.Expansion {
    var work = 0
    return try expand(word, &work)
  }

  func expand(_ word: Word, _ work: inout Int) throws(EngineError) -> ShellLexer.Expansion {
    try file.expand(word, ShellLexer(escape: escape), &work) { variables[$0] }
  }

  /// The names of what arguments have a value for that no ARG need declare.
  package static let predefined = Set(
    BuildInputs(
      buildPlatform: .init(os: "", architecture: ""), targetPlatform: .init(os: "", architecture: ""),
      target: ""
    ).predefined.map(\.0)
  ).union(BuildInputs.proxies)
}

extension SourceFile {
  /// - Parameter work: what all that belongs together has come to; also what fails counts.
  func expand(
    _ word: Word, _ lexer: ShellLexer, _ work: inout Int, _ lookup: (String) -> String?
  ) throws(EngineError) -> ShellLexer.Expansion {
    func checkWork() throws(EngineError) {
      guard work > ShellLexer.mostWork else { return }
      throw self.error(
        "what the values of variables come to is more than \(ShellLexer.mostWork >> 20) MiB",
        at: word.position, hint: "large values belong into files")
    }
    try checkWork()
    let expansion: ShellLexer.Expansion
    do { expansion = try lexer.expand(word.text, lookup) } catch {
      work += error.work
      throw self.error(error.message, at: word.position)
    }
    work += expansion.work
    try checkWork()
    return expansion
  }

  func words(
    _ word: Word, _ lexer: ShellLexer, _ lookup: (String) -> String?
  ) throws(EngineError) -> [String] {
    do { return try lexer.words(in: word.text, lookup) } catch {
      throw self.error(error.message, at: word.position)
    }
  }
}
