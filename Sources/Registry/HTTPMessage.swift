import Glibc

internal import EngineErrors
internal import SystemPackage

/// One HTTP request, which can be sent more than once.
struct HTTPRequest: Sendable {
  enum Method: String, Sendable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
  }

  enum Body: Sendable {
    case none
    case bytes([UInt8])
    /// Exactly these bytes of the file; `progress` gets where in it the sending is, on the transfer's thread.
    case file(FilePath, Range<Int64>, progress: @Sendable (Int64) -> Void)
  }

  var method: Method = .get
  var address: WebAddress
  var fields: [(name: String, value: String)] = []
  var body: Body = .none
  /// Whether much data is expected back, which a large receive buffer is worth.
  var isBulk = false
  /// Whether its body is for the server that it names alone.
  var isSecret = false
  var stallTimeout: Duration

  init(_ method: Method, _ address: WebAddress, stallTimeout: Duration) {
    self.method = method
    self.address = address
    self.stallTimeout = stallTimeout
  }
}

/// Status line and header fields of a response.
struct ResponseHead: Sendable {
  var status: Int
  /// Names in lower case, in the order they came.
  var fields: [(name: String, value: String)] = []

  /// The first field of that name, which is given in lower case.
  subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

  func all(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

  var isSuccess: Bool { (200..<300).contains(status) }

  /// Whether the same request may be taken a little later: a time that ran out on the way, too many at once, or a failure of the
  /// server's own.
  var isTransient: Bool { [408, 425, 429].contains(status) || status >= 500 }

  var contentLength: Int64? { self["content-length"].flatMap { Int64($0) }.flatMap { $0 >= 0 ? $0 : nil } }

  /// The wait the server asks for (RFC 9110, section 10.2.3), in seconds or until a date; none for one that is over.
  var retryAfter: Duration? {
    guard let field = self["retry-after"] else { return nil }
    if let seconds = UInt32(field) { return .seconds(Int64(seconds)) }
    // By the server's own clock, where it tells that.
    guard let date = HTTPDate(field) else { return nil }
    let now = self["date"].flatMap { HTTPDate($0)?.seconds } ?? Int64(time(nil))
    return .seconds(min(max(0, date.seconds - now), Int64(UInt32.max)))
  }
}

/// A date as HTTP's fields have it, as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7, IMF-fixdate).
struct HTTPDate: Hashable, Sendable {
  /// Since 1970.
  var seconds: Int64

  init?(_ field: String) {
    guard
      let match = field.wholeMatch(
        of: #/[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT/#),
      let month = Self.months.firstIndex(of: match.2), let day = Int32(match.1), let year = Int32(match.3),
      let hour = Int32(match.4), let minute = Int32(match.5), let second = Int32(match.6)
    else { return nil }
    var parts = tm()
    (parts.tm_mday, parts.tm_mon, parts.tm_year) = (day, Int32(month), year - 1900)
    (parts.tm_hour, parts.tm_min, parts.tm_sec) = (hour, minute, second)
    seconds = Int64(timegm(&parts))
  }

  private static let months: [Substring] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]
}

struct HTTPResponse: Sendable {
  var head: ResponseHead
  /// What was collected of the body; empty where it was delivered elsewhere.
  var body: [UInt8] = []
  /// Where the response came from, after redirects.
  var address: WebAddress
}

/// What becomes of a response's body.
enum BodyPlan: Sendable {
  /// Kept in memory; a body over the limit, in bytes, fails the transfer.
  case collect(limit: Int)
  /// Handed over piece by piece on the transfer's thread, in libcurl's own buffer.
  case deliver(@Sendable (UnsafeRawBufferPointer) throws -> Void)
}

/// Why a request got no usable response.
enum TransferFailure: Error, Sendable {
  case badAddress(String)
  case unresolved(host: String)
  case refused(host: String, port: Int, reason: String)
  case insecure(String)
  /// The connection broke after it was made.
  case broken(String)
  case stalled(Duration)
  case connectTimedOut(host: String)
  case redirect(String)
  /// Something no try will get past, such as headers beyond all bounds.
  case malformed(String)
  /// The answer's body is not what was asked for.
  case unusable(EngineError)
  /// The server answered with a status that is no success.
  case status(HTTPResponse)

  /// Whether the server was not reached, or not understood, so that there is no sense in asking it for anything else.
  var isOfTransport: Bool {
    switch self {
    case .unresolved, .refused, .insecure, .broken, .stalled, .connectTimedOut: true
    case .status(let response): response.head.status >= 500
    case .badAddress, .redirect, .malformed, .unusable: false
    }
  }

  /// Whether another try may help.
  ///
  /// - Parameter afterProgress: bytes of the object have arrived before, so the server was there a moment
  ///   ago; without that a refused connection is told at once instead of after all tries.
  func isTransient(afterProgress: Bool) -> Bool {
    switch self {
    case .broken, .stalled: true
    case .refused, .unresolved, .connectTimedOut: afterProgress
    case .status(let response): response.head.isTransient
    case .badAddress, .insecure, .redirect, .malformed, .unusable: false
    }
  }
}
