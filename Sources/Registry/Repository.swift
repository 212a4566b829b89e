internal import OCIModel
import Synchronization

/// A repository at one of the places where its content can be had.
struct Repository: Hashable, Sendable {
  /// The root of the place's API.
  var root: WebAddress
  /// As the place has it, with its prefix.
  var name: String
  /// Whose credentials are good here: the registry's, as references name it, or the mirror's host and port.
  var registry: String
  var isMirror: Bool

  /// The address of something in the repository's API.
  func address(_ path: String) throws -> WebAddress {
    let text = "/v2/\(name)/\(path)"
    guard let address = WebAddress(text, relativeTo: root) else {
      throw TransferFailure.badAddress(root.text + text)
    }
    return address
  }
}

extension RegistryConfiguration {
  /// The places of a reference's repository, in the order in which they are to be asked; for a push the registry itself
  /// alone.
  func repositories(of reference: Reference, for access: Access) throws -> [Repository] {
    var found: [Repository] = []
    if access == .pull {
      for mirror in registries[reference.registry]?.mirrors ?? [] {
        found += try places(mirror).map { place in
          Repository(
            root: place.root, name: place.prefix + reference.repository, registry: place.root.hostAndPort,
            isMirror: true)
        }
      }
    }
    return try found
      + addresses(ofRegistry: reference.registry).map {
        Repository(root: $0, name: reference.repository, registry: reference.registry, isMirror: false)
      }
  }

  /// The roots of a registry's API: plain HTTP for loopback hosts, HTTPS for all others; with an insecure one the second
  /// is what to ask where the first is not understood.
  func addresses(ofRegistry registry: String) throws -> [WebAddress] {
    try places(endpoints[registry] ?? registry, isInsecure: registries[registry]?.isInsecure).map(\.root)
  }

  private func places(_ text: String, isInsecure: Bool? = nil) throws -> [(root: WebAddress, prefix: String)]
  {
    guard let address = WebAddress(text.contains("://") ? text : "https://" + text) else {
      throw TransferFailure.badAddress(text)
    }
    let prefix = address.path.split(separator: "/").map { $0 + "/" }.joined()
    func place(_ scheme: String) throws -> (WebAddress, String) {
      guard let root = WebAddress("\(scheme)://\(address.authority)") else {
        throw TransferFailure.badAddress(text)
      }
      return (root, prefix)
    }
    if text.contains("://") { return [try place(address.scheme)] }
    if isInsecure ?? allowsInsecure(address) { return [try place("https"), try place("http")] }
    // Whoever keeps certificates for a port on this machine has a server there that shows one.
    let isPlain = address.isLoopback && certificateDirectory(of: address) == nil
    return [try place(isPlain ? "http" : "https")]
  }

  /// Whether a server's certificate is of no matter, and so nothing is lost with plain HTTP.
  func allowsInsecure(_ address: WebAddress) -> Bool {
    address.names.contains { registries[$0]?.isInsecure == true }
      || registries.contains { $1.isInsecure && endpoints[$0].map { address.names.contains($0) } == true }
  }
}

/// Places that did not answer lately: they are passed over for a while, so that not every blob waits for them.
final class Outages: Sendable {
  private static let length: Duration = .seconds(60)
  private let ends = Mutex<[String: ContinuousClock.Instant]>([:])

  func begin(at root: WebAddress) { ends.withLock { $0[root.origin] = .now + Self.length } }

  /// The last place, the registry itself, always stays.
  func passOver(_ places: [Repository]) -> [Repository] {
    let out = ends.withLock { ends in
      ends = ends.filter { $0.value > .now }
      return Set(ends.keys)
    }
    return places.dropLast().filter { !out.contains($0.root.origin) } + places.suffix(1)
  }
}
