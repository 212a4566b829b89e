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

  /// Between reading the file and writing it no other service does so. Blocks.
  private func changing() throws -> FileLock {
    try makeDirectories(file.removingLastComponent(), mode: 0o700)
    return try FileLock.acquireBlocking(FilePath("\(file).coracle-lock"))
  }

  /// Where a credential is kept.
  package struct Keeper: Hashable, Sendable {
    /// Nil where the file itself does.
    package var helper: String?
    package var file: FilePath
  }

  /// Keeps a credential in the place of what was kept for the registry.
  ///
  /// - Throws: as `credential`; `permissionDenied` and `noSpace` for the file.
  package func keep(_ credential: Credential, for registry: String) async throws(EngineError) -> Keeper {
    do {
      return try await onBlockingThread("credentials") {
        let lock = try changing()
        defer { lock.releaseAndRemove() }
        var config = try DockerConfig(file)
        let helper = config.helper(for: registry)
        if let helper {
          try CredentialHelper(name: helper, environment: environment).store(
            credential, for: DockerConfig.server(of: registry))
        }
        config.keep(helper == nil ? credential : nil, for: registry)
        try config.write(to: file)
        return Keeper(helper: helper, file: file)
      }
    } catch {
      throw EngineError("keep the credential for \(registry)", wrapping: error, subject: registry)
    }
  }

  /// Forgets the credential for a registry.
  ///
  /// - Returns: whether there was one.
  package func forget(_ registry: String) async throws(EngineError) -> Bool {
    do {
      return try await onBlockingThread("credentials") {
        let lock = try changing()
        defer { lock.releaseAndRemove() }
        var config = try DockerConfig(file)
        var wasKnown = false
        if let helper = config.helper(for: registry).map({
          CredentialHelper(name: $0, environment: environment)
        }) {
          let server = DockerConfig.server(of: registry)
          wasKnown = try helper.get(server) != nil
          if wasKnown { try helper.erase(server) }
        }
        if config.forget(registry) {
          wasKnown = true
          try config.write(to: file)
        }
        return wasKnown
      }
    } catch {
      throw EngineError("forget the credential for \(registry)", wrapping: error, subject: registry)
    }
  }
}
