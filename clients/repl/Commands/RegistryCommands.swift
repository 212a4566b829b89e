import ArgumentParser
import RPCModel

struct Login: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Log in to a registry.",
    discussion: """
      What the registry takes is kept where Docker keeps it: in a credential helper, or in config.json. Without \
      --password-stdin the password is asked for at the terminal.
      """)
  @Argument(help: "The registry's host and port; Docker Hub when absent.") var registry: String?
  @Option(name: .shortAndLong, help: "The user's name.") var user: String
  @Flag(help: "Take the password from standard input.") var passwordStdin = false

  func run(_ session: REPLSession) async throws -> Int32 {
    guard let secret = try password() else {
      session.terminal.note("no password, no login")
      return 130
    }
    let answer = try await session.request(
      RegistryLogin.self, .init(registry: registry, user: user, password: secret))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    session.terminal.print("logged in to \(answer.registry) as \(user)")
    if let helper = answer.helper {
      session.terminal.note("The credential helper \(helper) keeps the password.")
    } else {
      session.terminal.note(
        "\(answer.configPath) holds the password, not encrypted. A credential helper would keep it safer.")
    }
    return 0
  }

  /// - Returns: nil where the person thought better of it.
  private func password() throws -> String? {
    if passwordStdin {
      guard let line = readLine(), !line.isEmpty else {
        throw ValidationError("there is no password on standard input")
      }
      return line
    }
    switch TerminalQuestion.ask("Password for \(user): ", isSecret: true) {
    case .text(let text): return text
    case .givenUp: return nil
    case .noTerminal:
      throw ValidationError(
        "there is no terminal to ask for a password at; --password-stdin takes one from a pipe")
    }
  }
}

struct Logout: REPLCommand {
  static let configuration = CommandConfiguration(abstract: "Forget the password for a registry.")
  @Argument(help: "The registry's host and port; Docker Hub when absent.") var registry: String?

  func run(_ session: REPLSession) async throws -> Int32 {
    let answer = try await session.request(RegistryLogout.self, .init(registry: registry))
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    session.terminal.print(
      answer.wasKnown ? "logged out of \(answer.registry)" : "there was no login to \(answer.registry)")
    return 0
  }
}
