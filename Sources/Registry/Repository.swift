internal import OCIModel
import Synchronization

/// A repository at one of the places where its content can be had.
struct Repository: Hashable, Sendable {
  /// The root of the place's API.
  var root: WebAddress
  /// The same in plain HTTP, where that may be spoken if the server knows no TLS.
  var plainRoot: WebAddress?
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
        let (roots, prefix) = try place(mirror)
        found.append(
          Repository(
            root: roots.first, plainRoot: roots.plain, name: prefix + reference.repository,
            registry: roots.first.hostAndPort, isMirror: true))
      }
    }
    let roots = try roots(ofRegistry: reference.registry)
    found.append(
      Repository(
        root: roots.first, plainRoot: roots.plain, name: reference.repository, registry: reference.registry,
        isMirror: false))
    return found
  }

  /// Where a server's API is: in plain HTTP on loopback hosts, in HTTPS on all others; an insecure one may turn out to speak
  /// plain HTTP.
  typealias Roots = (first: WebAddress, plain: WebAddress?)

  func roots(ofRegistry registry: String) throws -> Roots {
    try place(endpoints[registry] ?? registry, isInsecure: registries[registry]?.isInsecure).roots
  }

  private func place(_ text: String, isInsecure: Bool? = nil) throws -> (roots: Roots, prefix: String) {
    guard let address = WebAddress(text.contains("://") ? text : "https://" + text) else {
      throw TransferFailure.badAddress(text)
    }
    let prefix = address.path.split(separator: "/").map { $0 + "/" }.joined()
    func root(_ scheme: String) throws -> WebAddress {
      guard let root = WebAddress("\(scheme)://\(address.authority)") else {
        throw TransferFailure.badAddress(text)
      }
      return root
    }
    if text.contains("://") { return ((try root(address.scheme), nil), prefix) }
    if isInsecure ?? allowsInsecure(address) { return ((try root("https"), try root("http")), prefix) }
    // Whoever keeps certificates for a port on this machine has a server there that shows one.
    let isPlain = address.isLoopback && certificateDirectory(of: address) == nil
    return ((try root(isPlain ? "http" : "https"), nil), prefix)
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
