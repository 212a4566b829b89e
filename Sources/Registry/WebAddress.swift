import CCurl

/// An absolute http or https URL in libcurl's normal form, so that what is checked here is what libcurl
/// connects to (RFC 3986; `curl_url_set(3)`).
struct WebAddress: Hashable, Sendable, CustomStringConvertible {
  let text: String
  let scheme: String
  /// In lower case; an IPv6 address keeps its brackets.
  let host: String
  let port: Int
  /// With the slash that it begins with.
  let path: String

  /// Nil for other schemes, for text that is no URL, and for URLs that carry a user name, which would
  /// make libcurl send credentials nobody asked for.
  ///
  /// - Parameter base: what a relative `text` is relative to.
  init?(_ text: String, relativeTo base: WebAddress? = nil) {
    guard let parts = URLParts() else { return nil }
    if let base, !parts.set(CURLUPART_URL, base.text) { return nil }
    guard parts.set(CURLUPART_URL, text) else { return nil }
    self.init(parts)
  }

  private init?(_ parts: borrowing URLParts) {
    guard let text = parts.get(CURLUPART_URL), let scheme = parts.get(CURLUPART_SCHEME)?.lowercased(),
      let host = parts.get(CURLUPART_HOST)?.lowercased(),
      let port = parts.get(CURLUPART_PORT, flags: CURLU_DEFAULT_PORT).flatMap({ Int($0) }),
      ["http", "https"].contains(scheme), parts.get(CURLUPART_USER) == nil, !host.isEmpty
    else { return nil }
    self.text = text
    self.scheme = scheme
    self.host = host
    self.port = port
    path = parts.get(CURLUPART_PATH) ?? "/"
  }

  /// This address with `name=value`, encoded, added to its query.
  func adding(_ name: String, _ value: String) -> WebAddress? {
    guard let parts = URLParts(), parts.set(CURLUPART_URL, text),
      parts.set(CURLUPART_QUERY, "\(name)=\(value)", flags: CURLU_APPENDQUERY | CURLU_URLENCODE)
    else { return nil }
    return WebAddress(parts)
  }

  /// A value as it stands in a query or a form (RFC 3986, section 2).
  static func escaping(_ value: String) -> String {
    value.utf8.map { byte in
      let scalar = Unicode.Scalar(byte)
      let isPlain =
        scalar.properties.isAlphabetic && scalar.isASCII || (48...57).contains(byte)
        || "-._~".utf8.contains(byte)
      return isPlain
        ? String(Character(scalar)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }.joined()
  }

  /// Scheme, host and port: what credentials belong to.
  var origin: String { "\(scheme)://\(host):\(port)" }

  /// Host and port as the address has them.
  var authority: String {
    port == (isSecure ? 443 : 80) ? host : "\(host):\(port)"
  }

  /// Host and port as references have them, where the port goes without saying for HTTPS alone.
  var hostAndPort: String { port == 443 ? host : "\(host):\(port)" }

  /// By which settings and certificates may be kept for the server.
  var names: [String] { port == 443 ? ["\(host):\(port)", host] : ["\(host):\(port)"] }

  var isSecure: Bool { scheme == "https" }

  /// Whether the host is this machine by its spelling alone; no name is looked up.
  var isLoopback: Bool { Self.isLoopback(host: host) }

  static func isLoopback(host: String) -> Bool {
    if host == "localhost" || host == "[::1]" { return true }
    let octets = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
    return octets.count == 4 && octets.allSatisfy { $0 != nil } && octets.first == 127
  }

  var description: String { text }
}

/// A `CURLU` handle.
private struct URLParts: ~Copyable {
  private let handle: OpaquePointer

  init?() {
    guard let handle = curl_url() else { return nil }
    self.handle = handle
  }

  deinit { curl_url_cleanup(handle) }

  func set(_ part: CURLUPart, _ text: String, flags: Int32 = 0) -> Bool {
    curl_url_set(handle, part, text, UInt32(flags)) == CURLUE_OK
  }

  func get(_ part: CURLUPart, flags: Int32 = 0) -> String? {
    var text: UnsafeMutablePointer<CChar>?
    guard curl_url_get(handle, part, &text, UInt32(flags)) == CURLUE_OK, let text else { return nil }
    defer { curl_free(text) }
    return String(cString: text)
  }
}
