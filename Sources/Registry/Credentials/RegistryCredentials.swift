package import EngineErrors
internal import LinuxSystem
internal import Synchronization
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
      return try await withHelpers { helper in
        let config = try DockerConfig(file)
        guard let name = config.helper(for: registry) else { return config.credential(for: registry) }
        return try helper(name).get(DockerConfig.server(of: registry))
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
      return try await withHelpers { helper in
        let lock = try changing()
        defer { lock.releaseAndRemove() }
        var config = try DockerConfig(file)
        let name = config.helper(for: registry)
        if let name { try helper(name).store(credential, for: DockerConfig.server(of: registry)) }
        config.keep(name == nil ? credential : nil, for: registry)
        try config.write(to: file)
        return Keeper(helper: name, file: file)
      }
    } catch {
      throw EngineError("keep the credential for \(registry)", wrapping: error, subject: registry)
    }
  }

  /// Forgets the credential for a registry, the file's own also where its helper cannot be asked.
  ///
  /// - Returns: whether there was one.
  package func forget(_ registry: String) async throws(EngineError) -> Bool {
    do {
      return try await withHelpers { helper in
        let lock = try changing()
        defer { lock.releaseAndRemove() }
        var config = try DockerConfig(file)
        // The file's own first: a helper may be named there that is not on this machine.
        var wasKnown = config.forget(registry)
        if wasKnown { try config.write(to: file) }
        if let name = config.helper(for: registry) {
          let (helper, server) = (helper(name), DockerConfig.server(of: registry))
          if try helper.get(server) != nil {
            try helper.erase(server)
            wasKnown = true
          }
        }
        return wasKnown
      }
    } catch {
      throw EngineError("forget the credential for \(registry)", wrapping: error, subject: registry)
    }
  }

  /// Runs `body` on a thread of its own with what makes helpers that are killed when the task is cancelled.
  private func withHelpers<Result: Sendable>(
    _ body: @escaping @Sendable (_ helper: (String) -> CredentialHelper) throws -> Result
  ) async throws -> Result {
    let flag = CancellationFlag()
    return try await withTaskCancellationHandler {
      try await onBlockingThread("credentials") {
        try body { name in
          CredentialHelper(name: name, environment: environment) { flag.isSet.load(ordering: .relaxed) }
        }
      }
    } onCancel: {
      flag.isSet.store(true, ordering: .relaxed)
    }
  }
}

private final class CancellationFlag: Sendable {
  let isSet = Atomic(false)
}
