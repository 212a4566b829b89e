internal import EngineErrors
internal import OCIModel

/// A client of registries that speak the OCI distribution specification.
///
/// Copies share connections and tokens; one client serves many pulls and pushes at once. Each transfer runs on
/// a thread of its own. Every method throws `EngineError`, and `cancelled` soon after its task is cancelled,
/// when the transfer's thread is done with whatever the caller passed in. Failed connections, 408, 425, 429 and 5xx are
/// tried again as `RegistryConfiguration.retry` says.
package struct RegistryClient: Sendable {
  let configuration: RegistryConfiguration
  let http: HTTPClient
  private let tokens = TokenCache()
  let outages = Outages()
  let schemes = SpokenSchemes()

  package init(configuration: RegistryConfiguration = RegistryConfiguration()) {
    self.configuration = configuration
    http = HTTPClient(configuration: configuration)
  }

  /// Forgets what registries have accepted: the next request asks for a credential anew.
  package func forgetAuthorizations() { tokens.clear() }

  /// Closes the connections that no transfer uses, for when no more are expected soon.
  package func closeIdleConnections() { http.pool.closeAll() }
}

/// What a request wants to do in a repository.
enum Access: String, Sendable {
  case pull
  case push = "pull,push"

  /// The scope of a challenge as it is to be asked for: a registry names what the request at hand needs, and looking
  /// whether a blob is there needs less than what comes next.
  func widened(_ scope: String) -> String {
    guard self == .push, !scope.contains(" "), let colon = scope.lastIndex(of: ":"),
      scope[colon...] == ":pull"
    else { return scope }
    return scope[..<colon] + ":" + rawValue
  }
}

extension RegistryClient {
  /// Sends a request once, and again with a fresh token where the registry asks for one.
  ///
  /// - Throws: `TransferFailure.status` for what is no success, besides what `HTTPClient.send` throws.
  func send(
    _ request: HTTPRequest, _ repository: Repository, _ access: Access,
    plan: @escaping @Sendable (ResponseHead) throws -> BodyPlan = { _ in
      .collect(limit: Transfer.errorBodyLimit)
    }
  ) async throws -> HTTPResponse {
    let home = repository.root
    let key = TokenCache.Key(
      origin: home.origin, scope: "repository:\(repository.name):\(access.rawValue)")
    // An upload may be sent to where the registry said; tokens stay at the registry.
    let isHome = request.address.origin == home.origin
    let known = isHome ? tokens.authorization(for: key) : .anonymous
    var response = try await http.send(request, authorization: known, plan: plan)
    if isHome, response.head.status == 401, response.address.origin == home.origin {
      let challenges = response.head.all("www-authenticate").flatMap(Challenge.parse)
      if let challenge = challenges.first(where: { $0.scheme == "bearer" && $0.parameters["realm"] != nil }) {
        // Without a scope in the challenge the token would be good for nothing.
        let token = try await token(
          challenge, scope: challenge.parameters["scope"].map(access.widened) ?? key.scope,
          configuration.credential(repository.registry), answering: response)
        tokens.keep(token.authorization, for: key, seconds: token.seconds)
        response = try await http.send(request, authorization: token.authorization, plan: plan)
      } else if challenges.contains(where: { $0.scheme == "basic" }),
        case .password(let user, let secret) = try await configuration.credential(repository.registry)
      {
        let basic = Authorization.basic(user: user, secret: secret)
        response = try await http.send(request, authorization: basic, plan: plan)
        if response.head.isSuccess { tokens.keep(basic, for: key, seconds: 300) }
      }
    }
    RegistryNotices.current?.take(response.head, from: repository.registry)
    guard response.head.isSuccess else { throw TransferFailure.status(response) }
    return response
  }

  /// Asks the challenge's realm for a token: for who has the credential, or for nobody in particular.
  ///
  /// - Returns: the token and its life as the server states it.
  func token(
    _ challenge: Challenge, scope: String?, _ credential: Credential?, answering response: HTTPResponse
  ) async throws -> (authorization: Authorization, seconds: Int?) {
    guard let realm = challenge.parameters["realm"], let address = WebAddress(realm),
      address.isSecure || address.isLoopback || configuration.allowsInsecure(address)
    else { throw TransferFailure.insecure("the registry wants tokens from an address that is not HTTPS") }
    let scopes = scope?.split(separator: " ").map(String.init) ?? []
    let answer = try await http.send(
      tokenRequest(address, challenge.parameters["service"], scopes, credential),
      authorization: credential?.authorization ?? .anonymous)
    guard answer.head.isSuccess else {
      // A refused token means a refused request: what the registry itself said is the nearer cause.
      throw TransferFailure.status((401...403).contains(answer.head.status) ? response : answer)
    }
    guard let body = TokenAnswer(parsing: answer.body), let token = body.token ?? body.accessToken,
      !token.isEmpty
    else { throw TransferFailure.malformed("the token server's answer has no token") }
    return (.bearer(token: token), body.expiresIn)
  }

  /// With a password or none, a GET (distribution specification, "Token Authentication"); with an identity token a form
  /// (the same, "OAuth 2").
  private func tokenRequest(
    _ realm: WebAddress, _ service: String?, _ scopes: [String], _ credential: Credential?
  ) throws -> HTTPRequest {
    let service = service.map { [(name: "service", value: $0)] } ?? []
    guard case .identityToken(let token) = credential else {
      var address = realm
      // Each scope a parameter of its own, as a mount of another repository's blob needs two.
      for (name, value) in service + scopes.map({ (name: "scope", value: $0) }) {
        guard let longer = address.adding(name, value) else { throw TransferFailure.badAddress(realm.text) }
        address = longer
      }
      return HTTPRequest(.get, address, stallTimeout: configuration.stallTimeout)
    }
    let form =
      service + (scopes.isEmpty ? [] : [("scope", scopes.joined(separator: " "))]) + [
        ("grant_type", "refresh_token"), ("client_id", configuration.userAgent), ("refresh_token", token),
      ]
    var request = HTTPRequest(.post, realm, stallTimeout: configuration.stallTimeout)
    request.isSecret = true
    request.fields = [("Content-Type", "application/x-www-form-urlencoded")]
    request.body = .bytes(
      Array(form.map { "\($0.name)=\(WebAddress.escaping($0.value))" }.joined(separator: "&").utf8))
    return request
  }

  /// Runs `attempt` at each place of a repository until one succeeds: the mirrors in their order, each once, and then the
  /// registry, as often as `RegistryConfiguration.retry` says.
  ///
  /// - Parameter received: as for `retrying`.
  func asking<Result: Sendable>(
    _ reference: Reference, _ access: Access, to operation: String, subject: String,
    received: @Sendable () -> Int64 = { 0 }, _ attempt: @Sendable (Repository) async throws -> Result
  ) async throws(EngineError) -> Result {
    var places: [Repository]
    do {
      places = try outages.passOver(configuration.repositories(of: reference, for: access))
    } catch {
      throw .registry(operation, error, subject: subject)
    }
    guard let last = places.popLast() else {
      throw EngineError(.internal, "cannot \(operation): there is no place to ask", subject: subject)
    }
    @Sendable func ask(_ place: Repository) async throws -> Result {
      try await schemes.ask(place.root, orPlain: place.plainRoot) { root in
        var place = place
        place.root = root
        return try await attempt(place)
      }
    }
    var refusals: [String] = []
    for mirror in places {
      do {
        return try await ask(mirror)
      } catch {
        if Task.isCancelled { throw .cancelled(operation) }
        guard let failure = error as? TransferFailure else {
          throw .registry(operation, error, subject: subject)
        }
        if failure.isOfTransport { outages.begin(at: mirror.root) }
        refusals.append(
          "\(mirror.root.origin): \(EngineError(registry: operation, failure, subject: subject).causes.joined(separator: ", "))"
        )
      }
    }
    do {
      return try await retrying(operation, subject: subject, received: received) { try await ask(last) }
    } catch {
      var error = error
      error.causes += refusals
      throw error
    }
  }

  /// Runs `attempt` until it succeeds, fails for good, or the tries are used up.
  ///
  /// - Parameter received: how many bytes of the object have arrived; a try that brought a fair part of a large
  ///   object does not count as failed.
  func retrying<Result: Sendable>(
    _ operation: String, subject: String, received: @Sendable () -> Int64 = { 0 },
    _ attempt: @Sendable () async throws -> Result
  ) async throws(EngineError) -> Result {
    let fairPart: Int64 = 1 << 20
    var failures = 0
    while true {
      let before = received()
      do {
        return try await attempt()
      } catch {
        if Task.isCancelled { throw .cancelled(operation) }
        let after = received()
        failures = after - before >= fairPart ? 1 : failures + 1
        guard let failure = error as? TransferFailure, failure.isTransient(afterProgress: after > 0),
          let delay = configuration.retry.delay(afterFailures: failures, retryAfter: failure.retryAfter)
        else { throw .registry(operation, error, subject: subject, tries: failures) }
        do { try await configuration.pause(delay) } catch { throw .cancelled(operation) }
      }
    }
  }
}

extension Credential {
  /// What a token server is told in a header; an identity token goes in the body.
  fileprivate var authorization: Authorization {
    switch self {
    case .password(let user, let secret): .basic(user: user, secret: secret)
    case .identityToken: .anonymous
    }
  }
}

extension TransferFailure {
  var retryAfter: Duration? {
    if case .status(let response) = self { response.head.retryAfter } else { nil }
  }
}
