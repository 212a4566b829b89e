internal import EngineErrors
internal import FoundationEssentials
internal import LinuxSystem
internal import SystemPackage

/// A program `docker-credential-NAME` that keeps credentials, in a desktop's key ring for instance.
///
/// It is asked by one word as its argument and answers on its standard output, as Docker's do
/// (docs.docker.com, "docker login", "Credential helper protocol"). All methods block.
struct CredentialHelper: Sendable {
  let name: String
  let environment: [String: String]
  /// Whether nobody waits for it any more; it is killed then.
  var isCancelled: @Sendable () -> Bool = { false }

  /// A helper may ask a person.
  private static let patience = Duration.seconds(120)
  private static let notFound = "credentials not found in native keychain"

  private struct Entry: Codable {
    var server: String?
    var user: String
    var secret: String

    private enum CodingKeys: String, CodingKey {
      case server = "ServerURL"
      case user = "Username"
      case secret = "Secret"
    }
  }

  func get(_ server: String) throws(EngineError) -> Credential? {
    let answer = try run("get", Array(server.utf8))
    if answer.status != .exited(code: 0) {
      if Self.text(answer.output).hasPrefix(Self.notFound) { return nil }
      throw failed("get", answer)
    }
    guard let entry = try? JSONDecoder().decode(Entry.self, from: Data(answer.output)) else {
      throw failed("get", answer, "its answer cannot be read")
    }
    return entry.user == "<token>"
      ? .identityToken(entry.secret) : .password(user: entry.user, secret: entry.secret)
  }

  func store(_ credential: Credential, for server: String) throws(EngineError) {
    let entry =
      switch credential {
      case .password(let user, let secret): Entry(server: server, user: user, secret: secret)
      case .identityToken(let token): Entry(server: server, user: "<token>", secret: token)
      }
    guard let input = try? JSONEncoder().encode(entry) else { return }
    let answer = try run("store", Array(input))
    if answer.status != .exited(code: 0) { throw failed("store", answer) }
  }

  /// One that is not there is as good as erased.
  func erase(_ server: String) throws(EngineError) {
    let answer = try run("erase", Array(server.utf8))
    if answer.status != .exited(code: 0), !Self.text(answer.output).hasPrefix(Self.notFound) {
      throw failed("erase", answer)
    }
  }

  private func run(_ action: String, _ input: [UInt8]) throws(EngineError) -> ProgramResult {
    do {
      return try runProgram(
        program(), arguments: ["docker-credential-\(name)", action],
        environment: environment.map { "\($0.key)=\($0.value)" }, input: input, patience: Self.patience,
        isCancelled: isCancelled)
    } catch {
      throw EngineError("ask the credential helper \(name)", wrapping: error, subject: name)
    }
  }

  private func program() throws -> FilePath {
    guard !name.isEmpty, name.utf8.allSatisfy({ $0 != UInt8(ascii: "/") && $0 != 0 }) else {
      throw EngineError(.invalidArgument, "'\(name)' is not the name of a credential helper", subject: name)
    }
    for directory in (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
    where directory.hasPrefix("/") {
      let path = FilePath(String(directory)).appending("docker-credential-\(name)")
      if fileExists(path) { return path }
    }
    throw EngineError(
      .notFound, "there is no program docker-credential-\(name)", subject: name,
      hint: "install it, or take it out of Docker's config.json")
  }

  private func failed(_ action: String, _ answer: ProgramResult, _ cause: String? = nil) -> EngineError {
    let said = [answer.output, answer.errors].map(Self.text).filter { !$0.isEmpty }
    return EngineError(
      .unauthorized, "the credential helper \(name) cannot \(action) the credential", subject: name,
      causes: cause.map { [$0] } ?? (said.isEmpty ? ["it ended with \(answer.status.exitCode)"] : said))
  }

  /// Never of an answer to `get` that succeeded, which has the secret in it.
  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).printable }
}
