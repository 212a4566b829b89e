import EngineErrors
import OCIModel
package import Registry

extension ContainerEngine {
  /// Asks a registry whether it takes a password, and keeps that for pulls and pushes.
  ///
  /// - Throws: `unauthorized` when it does not, and then nothing is kept; `invalidArgument` for what is no registry.
  package func login(_ registry: String?, user: String, password: String) async throws -> (
    registry: String, keeper: RegistryCredentials.Keeper
  ) {
    let registry = try Reference.registry(parsing: registry)
    guard !user.isEmpty, !user.contains(":") else {
      throw EngineError(.invalidArgument, "a user's name is not empty and has no colon", subject: user)
    }
    let credential = Credential.password(user: user, secret: password)
    try await self.registry.check(credential, for: registry)
    let keeper = try await credentialKeeper().keep(credential, for: registry)
    self.registry.forgetAuthorizations()
    return (registry, keeper)
  }

  /// - Returns: whether there was a credential.
  package func logout(_ registry: String?) async throws -> (registry: String, wasKnown: Bool) {
    let registry = try Reference.registry(parsing: registry)
    let wasKnown = try await credentialKeeper().forget(registry)
    self.registry.forgetAuthorizations()
    return (registry, wasKnown)
  }

  private func credentialKeeper() throws -> RegistryCredentials {
    guard let credentials else {
      throw EngineError(
        .unsupported, "there is no place to keep credentials in", hint: "set HOME or DOCKER_CONFIG")
    }
    return credentials
  }
}
