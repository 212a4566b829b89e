package import SystemPackage

/// How a `RegistryClient` reaches registries.
package struct RegistryConfiguration: Sendable {
  /// Where a registry's API is, for registries whose API is not at the host they are named by. A value
  /// with a scheme is used as it is.
  package var endpoints = ["docker.io": "https://registry-1.docker.io"]
  package var userAgent = "coracle"
  /// For name look-up, connection and TLS handshake together.
  package var connectTimeout: Duration = .seconds(15)
  /// A transfer that moves no byte for this long has failed. Time that `receive` takes does not count.
  package var stallTimeout: Duration = .seconds(60)
  /// How long a registry may take to answer after it has been sent a whole blob, which it may hash or copy.
  package var commitTimeout: Duration = .seconds(300)
  package var retry = RetryPolicy()
  /// Whom to be for a registry, by its name in references; nil is nobody in particular. Asked when a registry asks.
  package var credential: @Sendable (String) async throws -> Credential? = { _ in nil }
  /// A PEM file of certificate authorities to trust instead of the system's.
  package var certificateAuthority: FilePath?
  /// Waits between tries; a test puts in one that does not wait. It ends early when the task is cancelled.
  package var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

  package init() {}

  /// The root of a registry's API: plain HTTP for loopback hosts, HTTPS for all others.
  func address(ofRegistry registry: String) -> WebAddress? {
    let endpoint = endpoints[registry] ?? registry
    if endpoint.contains("://") { return WebAddress(endpoint) }
    guard let address = WebAddress("https://" + endpoint) else { return nil }
    return address.isLoopback ? WebAddress("http://" + endpoint) : address
  }
}
