package import EngineErrors
package import OCIModel

extension RegistryClient {
  /// Runs `body`, which fetches blobs of a repository and checks their bytes. Where these are wrong and a mirror may have
  /// sent them, runs it once more with what the registry itself has; the mirrors are passed over for a while, and a
  /// warning tells of it.
  ///
  /// - Throws: what `body` throws the second time, or at once where no mirror was asked or the error is another than
  ///   `corrupt` or `digestMismatch`.
  package func mistrustingMirrors<Result>(
    of reference: Reference, _ body: () async throws -> Result
  ) async throws -> Result {
    let places = (try? configuration.repositories(of: reference, for: .pull)) ?? []
    let mirrors = outages.passOver(places).filter(\.isMirror)
    do {
      return try await body()
    } catch {
      guard let error = error as? EngineError, error.blamesBytes, !mirrors.isEmpty else { throw error }
      for mirror in mirrors { outages.begin(at: mirror.root) }
      RegistryNotices.current?.warn(
        "what a mirror sent (\(mirrors.map(\.root.origin).joined(separator: ", "))) was not taken:"
          + " \(error.message); the registry itself is asked", about: reference.registry)
      return try await body()
    }
  }
}

extension EngineError {
  /// Whether other bytes, from elsewhere, may be right. Of a layer's configuration that does not fit it they are not: that is found
  /// when the layer's bytes are known to be right, and to try again is no use. An archive that leads out or unpacks without end is
  /// refused before all of its bytes are there, and so before it is known whose they are.
  package var blamesBytes: Bool { kind == .corrupt || kind == .digestMismatch && isRetriable }
}
