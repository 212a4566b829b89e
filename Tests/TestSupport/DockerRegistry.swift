import Glibc
import LinuxSystem
package import OCIModel
package import SystemPackage

/// A running docker-registry (Debian's package) on a free loopback port, with storage of its own.
package struct DockerRegistry: Sendable {
  /// Host and port, as image names begin: `127.0.0.1:40123`.
  package let host: String
  package let directory: FilePath
  private let process: ChildProcess

  package func reference(_ repository: String, tag: String? = "latest", digest: Digest? = nil) -> Reference {
    Reference(registry: host, repository: repository, tag: tag, digest: digest)
  }

  /// Where the registry keeps a blob's bytes, for tests that damage them.
  package func path(ofBlob digest: Digest) -> FilePath {
    directory.appending("data/docker/registry/v2/blobs/sha256/\(digest.hex.prefix(2))/\(digest.hex)/data")
  }

  fileprivate static func start(in directory: FilePath, settings: Settings) async throws -> DockerRegistry {
    let configuration = directory.appending("config.yml")
    try configuration.write(settings.configuration(directory).utf8)
    let process = try await ChildProcess.spawn(
      ["docker-registry", "serve", configuration.string],
      environment: ["PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none"], workingDirectory: directory,
      output: .discard, error: .pipe, diesWithTests: true)
    guard let log = process.standardError else { throw SystemError("pipe", .badFileDescriptor) }
    do {
      let address = try await withPatience(Patience.wait) {
        try await onBlockingThread("registry-log") { try Self.address(in: log) }
      }
      // What it logs afterwards must be read, or it would stop at a full pipe.
      _ = CapturedOutput(log)
      return DockerRegistry(host: address, directory: directory, process: process)
    } catch {
      process.signal(SIGKILL)
      throw error
    }
  }

  fileprivate func stop() async {
    process.signal(SIGKILL)
    _ = try? await process.waitForExit()
  }

  /// Reads the log up to the line that says where the registry listens: port 0 in its configuration means
  /// that the kernel has chosen a free one.
  private static func address(in log: FileDescriptor) throws -> String {
    var text = ""
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = try chunk.withUnsafeMutableBytes { try log.read(into: $0) }
      guard count > 0 else { throw DockerRegistryFailure(log: text) }
      text += String(decoding: chunk[..<count], as: UTF8.self)
      if let match = text.firstMatch(of: #/listening on (127\.0\.0\.1:[0-9]+)[,"]/#) {
        return String(match.1)
      }
    }
  }

  /// What differs from one test's registry to another's.
  package struct Settings: Sendable {
    /// A PEM certificate and its key make it speak HTTPS.
    package var tls: (certificate: FilePath, key: FilePath)?
    /// A PEM certificate by which those of clients are signed makes it ask for one.
    package var clientAuthority: FilePath?
    /// An htpasswd file makes it ask for Basic credentials.
    package var htpasswd: FilePath?

    /// A server of tokens, and the PEM certificate of the key that it signs them with, make it ask for tokens of that.
    package var tokens: (realm: String, certificate: FilePath)?

    package init(
      tls: (certificate: FilePath, key: FilePath)? = nil, clientAuthority: FilePath? = nil,
      htpasswd: FilePath? = nil, tokens: (realm: String, certificate: FilePath)? = nil
    ) {
      self.tokens = tokens
      self.tls = tls
      self.clientAuthority = clientAuthority
      self.htpasswd = htpasswd
    }

    fileprivate func configuration(_ directory: FilePath) -> String {
      var text = """
        version: 0.1
        log: {level: info}
        storage:
          filesystem: {rootdirectory: \(directory.appending("data"))}
          delete: {enabled: true}
        http:
          addr: 127.0.0.1:0

        """
      let clients = clientAuthority.map { ", clientcas: [\($0)]" } ?? ""
      if let tls { text += "  tls: {certificate: \(tls.certificate), key: \(tls.key)\(clients)}\n" }
      if let htpasswd { text += "auth:\n  htpasswd: {realm: test, path: \(htpasswd)}\n" }
      if let tokens {
        text += """
          auth:
            token: {realm: "\(tokens.realm)", service: tests, issuer: tests, rootcertbundle: \(tokens.certificate)}

          """
      }
      return text
    }
  }
}

private struct DockerRegistryFailure: Error, CustomStringConvertible {
  var log: String
  var description: String { "docker-registry did not start: \(log)" }
}

/// Starts a docker-registry, runs `body` with it, ends it by its pid and removes what it stored.
package func withDockerRegistry<Result: Sendable>(
  _ settings: DockerRegistry.Settings = DockerRegistry.Settings(),
  _ body: @Sendable (DockerRegistry) async throws -> Result
) async throws -> Result {
  try await withTemporaryDirectory { directory in
    let registry = try await DockerRegistry.start(in: directory, settings: settings)
    do {
      let result = try await body(registry)
      await registry.stop()
      return result
    } catch {
      await registry.stop()
      throw error
    }
  }
}
