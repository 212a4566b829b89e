package import EngineErrors
internal import OCIModel

extension RegistryClient {
  /// Asks a registry whether it takes a credential (distribution specification, "Determining Support"). One that asks
  /// nobody for any takes all.
  ///
  /// - Parameter registry: as references name it.
  /// - Throws: `unauthorized` when it does not; `unreachable`.
  package func check(_ credential: Credential, for registry: String) async throws(EngineError) {
    try await retrying("log in to \(registry)", subject: registry) {
      let roots = try configuration.roots(ofRegistry: registry)
      try await schemes.ask(roots.first, orPlain: roots.plain) { try await check(credential, at: $0) }
    }
  }

  private func check(_ credential: Credential, at root: WebAddress) async throws {
    guard let home = WebAddress("/v2/", relativeTo: root) else {
      throw TransferFailure.badAddress(root.text)
    }
    let request = HTTPRequest(.get, home, stallTimeout: configuration.stallTimeout)
    var response = try await http.send(request)
    // Who is redirected to is not whom the password is for.
    if response.head.status == 401, response.address.origin == home.origin,
      let authorization = try await self.authorization(answering: response, credential)
    {
      response = try await http.send(request, authorization: authorization)
    }
    guard response.head.isSuccess else { throw TransferFailure.status(response) }
  }

  /// Nil where the registry asks in a way that nobody here knows.
  private func authorization(answering response: HTTPResponse, _ credential: Credential) async throws
    -> Authorization?
  {
    let challenges = response.head.all("www-authenticate").flatMap(Challenge.parse)
    if let challenge = challenges.first(where: { $0.scheme == "bearer" && $0.parameters["realm"] != nil }) {
      return try await token(challenge, scope: challenge.parameters["scope"], credential, answering: response)
        .authorization
    }
    guard challenges.contains(where: { $0.scheme == "basic" }),
      case .password(let user, let secret) = credential
    else { return nil }
    return .basic(user: user, secret: secret)
  }
}
