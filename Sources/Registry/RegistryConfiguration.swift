package import SystemPackage

/// How a `RegistryClient` reaches registries.
package struct RegistryConfiguration: Sendable {
  /// Where a registry's API is, for registries whose API is not at the host they are named by. A value
  /// with a scheme is used as it is.
  package var endpoints = ["docker.io": "registry-1.docker.io"]
  /// By names as references have them; a mirror's by its host and port.
  package var registries: [String: RegistrySettings] = [:]
  /// Where certificates are, each server's in a directory named by host and port; the first directory that has one counts.
  package var certificateDirectories: [FilePath] = []
  /// The proxy for plain HTTP where `http_proxy` is not set; all else libcurl takes from the environment itself.
  package var plainProxy: String?
  package var userAgent = "coracle"
  /// For name look-up, connection and TLS handshake together.
  package var connectTimeout: Duration = .seconds(15)
  /// A transfer that moves no byte for this long has failed. Time that `receive` takes does not count.
  package var stallTimeout: Duration = .seconds(60)
  /// How long a registry may take to answer after it has been sent a whole blob, which it may hash or copy, or a piece of one.
  package var commitTimeout: Duration = .seconds(300)
  package var retry = RetryPolicy()
  /// Blobs that are larger are sent in pieces of so many bytes, so that a broken connection costs no more than one.
  package var uploadChunk: Int64 = 64 << 20
  /// Whom to be for a registry, by its name in references; nil is nobody in particular. Asked when a registry asks.
  package var credential: @Sendable (String) async throws -> Credential? = { _ in nil }
  /// Waits between tries; a test puts in one that does not wait. It ends early when the task is cancelled.
  package var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

  package init() {}
}
