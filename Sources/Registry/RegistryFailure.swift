internal import EngineErrors
import FoundationEssentials

/// The one place where what went wrong with a registry gets its meaning and its words.
extension EngineError {
  /// - Parameters:
  ///   - operation: a lower-case phrase that names the object, such as `fetch the manifest of a/b:c`.
  ///   - tries: how many tries were made, told where it is more than one.
  ///   - peer: who was asked.
  init(
    registry operation: String, _ failure: TransferFailure, subject: String, tries: Int = 1,
    peer: Peer = .registry
  ) {
    let told = Told(failure, peer)
    let cause = tries > 1 ? told.causes + ["gave up after \(tries) tries"] : told.causes
    self.init(
      told.kind, "cannot \(operation)", subject: subject, causes: cause, hint: told.hint,
      retriable: told.retriable)
    retryAfter = failure.retryAfter
  }

  /// Any error of an operation; errors of a receiver keep what they are.
  static func registry(
    _ operation: String, _ error: any Error, subject: String, tries: Int = 1, peer: Peer = .registry
  ) -> EngineError {
    switch error {
    case let failure as TransferFailure:
      EngineError(registry: operation, failure, subject: subject, tries: tries, peer: peer)
    case is CancellationError:
      .cancelled(operation)
    default:
      EngineError(operation, wrapping: error, subject: subject)
    }
  }
}

/// Who was asked, which decides what to do about it.
enum Peer: String {
  case registry
  /// Of the web, for a file.
  case server

  var isItRunning: String {
    switch self {
    case .registry: "is the registry running"
    case .server: "is its address right, is the server running"
    }
  }
}

private struct Told {
  var kind: ErrorKind
  var causes: [String]
  var hint: String?
  var retriable: Bool?

  init(_ failure: TransferFailure, _ peer: Peer) {
    switch failure {
    case .badAddress(let text):
      self.init(.invalidArgument, "'\(text.printable)' is not an address")
    case .unresolved(let host):
      self.init(
        .unreachable, "the name \(host) cannot be resolved",
        hint: "check the \(peer.rawValue)'s name and the network")
    case .refused(let host, let port, let reason):
      self.init(.unreachable, "no connection to \(host) port \(port)", hint: peer.isItRunning + "?")
      causes.append(reason)
    case .connectTimedOut(let host):
      self.init(
        .unreachable, "\(host) does not answer", hint: peer.isItRunning + ", and reachable from here?")
    case .insecure(let reason):
      self.init(
        .unreachable, "no trusted TLS connection",
        hint: "the \(peer.rawValue) must serve HTTPS with a certificate that this machine trusts"
          + (peer == .registry ? "; plain HTTP is for loopback hosts only" : ""))
      causes.append(reason)
      retriable = false
    case .broken(let reason):
      self.init(.unreachable, "the connection broke")
      causes.append(reason)
    case .stalled(let wait):
      self.init(.unreachable, "the \(peer.rawValue) sent nothing for \(wait.formattedSeconds)")
    case .redirect(let reason):
      self.init(.unreachable, reason)
      retriable = false
    case .malformed(let reason):
      self.init(.corrupt, reason)
    case .unusable(let error):
      self.init(error.kind, error.message, hint: error.hint)
      causes += error.causes
    case .status(let response):
      self.init(response, peer)
    }
  }

  private init(_ kind: ErrorKind, _ cause: String, hint: String? = nil) {
    self.kind = kind
    causes = [cause]
    self.hint = hint
  }

  private init(_ response: HTTPResponse, _ peer: Peer) {
    let status = response.head.status
    let errors = RegistryErrors(parsing: response.body)
    let host = response.address.host
    switch status {
    case 401, 403:
      self.init(
        .unauthorized, "\(host) answers \(status) (\(status == 401 ? "unauthorized" : "forbidden"))",
        hint: peer == .registry
          ? "the repository may not exist, or may need a login"
          : "fetch it with what it asks for, and take it from the context")
    case 404 where errors.codes.contains("NAME_UNKNOWN"):
      self.init(.notFound, "the registry has no such repository", hint: "check the image's name")
    case 404 where errors.codes.contains("MANIFEST_UNKNOWN"):
      self.init(
        .notFound, "the registry has no such tag or digest in the repository", hint: "check the image's tag")
    case 404:
      self.init(
        .notFound, "the \(peer.rawValue) answers 404 (not found)",
        hint: peer == .registry ? "check the image's name and tag" : "check the address")
    case 408, 425:
      self.init(.unreachable, "the \(peer.rawValue) did not take the request (\(status))", hint: "try again")
    case 429:
      let wait = response.head.retryAfter.map { "in \($0.formattedSeconds)" } ?? "later"
      self.init(
        .unreachable, "the \(peer.rawValue) limits how often it is asked (429)", hint: "try again \(wait)")
    case 500...:
      self.init(.unreachable, "the \(peer.rawValue) fails (\(status))")
    case 405, 415:
      self.init(.unsupported, "the \(peer.rawValue) does not support it (\(status))")
    case 400..<500:
      self.init(.invalidArgument, "the \(peer.rawValue) refuses the request (\(status))")
    default:
      self.init(.corrupt, "the \(peer.rawValue) answers \(status), which is not expected here")
    }
    causes += errors.causes
  }
}

/// The JSON body of a registry's error response (distribution specification, "Error Codes").
struct RegistryErrors: Sendable {
  /// Upper-case words such as MANIFEST_UNKNOWN.
  var codes: [String] = []
  var causes: [String] = []

  private struct Body: Decodable {
    struct Item: Decodable {
      var code: String?
      var message: String?
    }
    var errors: [Item]?
  }

  /// A body that is not in that form has no codes and no causes.
  init(parsing body: [UInt8]) {
    guard let errors = (try? JSONDecoder().decode(Body.self, from: Data(body)))?.errors else { return }
    for error in errors.prefix(4) {
      let code = error.code?.printable
      if let code { codes.append(code) }
      let cause = [code, error.message?.printable].compactMap(\.self).filter { !$0.isEmpty }.joined(
        separator: ": ")
      if !cause.isEmpty { causes.append(cause) }
    }
  }
}

extension Duration {
  /// As in `60 s` or `0.25 s`.
  var formattedSeconds: String {
    let milliseconds = milliseconds
    return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(Double(milliseconds) / 1000) s"
  }
}
