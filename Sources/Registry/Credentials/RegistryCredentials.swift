package import EngineErrors
internal import LinuxSystem
package import SystemPackage

/// The credentials of one user, where Docker keeps them: in its `config.json`, or in the helpers which that names.
///
/// Read anew each time: a login elsewhere is seen by the next request.
package struct RegistryCredentials: Sendable {
  private let file: FilePath
  private let environment: [String: String]

  /// - Parameters:
  ///   - directory: Docker's, with `config.json` in it; need not be there.
  ///   - environment: for helpers, which are searched in its PATH.
  package init(directory: FilePath, environment: [String: String]) {
    file = directory.appending("config.json")
    self.environment = environment
  }

  /// - Throws: `invalidArgument` for a configuration that cannot be read, `notFound` for a helper that is not there,
  ///   `unauthorized` when one fails.
  package func credential(for registry: String) async throws(EngineError) -> Credential? {
    do {
      return try await onBlockingThread("credentials") {
        let config = try DockerConfig(file)
        guard let helper = config.helper(for: registry) else { return config.credential(for: registry) }
        return try CredentialHelper(name: helper, environment: environment).get(
          DockerConfig.server(of: registry))
      }
    } catch {
      throw EngineError("look for a credential for \(registry)", wrapping: error, subject: registry)
    }
  }
}
