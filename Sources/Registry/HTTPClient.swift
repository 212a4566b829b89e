import LinuxSystem

/// Sends requests, each on a thread of its own, and follows redirects by the rules of `Redirect`.
struct HTTPClient: Sendable {
  let configuration: RegistryConfiguration
  let pool = SessionPool()

  /// - Parameters:
  ///   - authorization: sent to the request's own origin only.
  ///   - plan: says where the body of a 2xx response goes; asked once a response, on the transfer's thread.
  /// - Returns: the response to the last request, whatever its status; it is not before the thread is done with `plan`
  ///   and its receiver that this returns or throws.
  /// - Throws: `TransferFailure`, `CancellationError`, or what `plan` and its receiver threw.
  func send(
    _ request: HTTPRequest, authorization: Authorization = .anonymous,
    plan: @escaping @Sendable (ResponseHead) throws -> BodyPlan = { _ in
      .collect(limit: Transfer.errorBodyLimit)
    }
  ) async throws -> HTTPResponse {
    var hop = request
    for _ in 0...Redirect.limit {
      var sent = hop
      if let value = authorization.fieldValue, hop.address.origin == request.address.origin {
        sent.fields.append(("Authorization", value))
      }
      let response = try await exchange(sent, plan: plan)
      guard let next = try Redirect.next(after: response, to: hop.method) else { return response }
      if request.isSecret, next.origin != request.address.origin {
        throw TransferFailure.redirect("the server redirects a secret to another one, \(next.host)")
      }
      hop.address = next
    }
    throw TransferFailure.redirect("more than \(Redirect.limit) redirects")
  }

  private func exchange(
    _ request: HTTPRequest, plan: @escaping @Sendable (ResponseHead) throws -> BodyPlan
  ) async throws -> HTTPResponse {
    try Task.checkCancellation()
    let interrupt = Interrupt()
    return try await withTaskCancellationHandler {
      try await onBlockingThread("registry-io") {
        let session = try pool.take(for: request.address.origin)
        defer { pool.give(session) }
        return try session.perform(request, settings: configuration, interrupt: interrupt, plan: plan)
      }
    } onCancel: {
      interrupt.cancel()
    }
  }
}

/// Where a redirect may lead (RFC 9110, section 15.4).
enum Redirect {
  /// Registries send one or two, to where blobs are stored.
  static let limit = 10

  /// The next address to ask, or nil where the response is final.
  static func next(after response: HTTPResponse, to method: HTTPRequest.Method) throws -> WebAddress? {
    let follows: Bool =
      switch response.head.status {
      case 307, 308: true
      case 301, 302, 303: method == .get || method == .head
      default: false
      }
    guard follows, let location = response.head["location"] else { return nil }
    return try address(location, from: response.address)
  }

  /// Resolves the Location a server gives.
  ///
  /// - Throws: `TransferFailure.redirect` for what is no web address and for a step from HTTPS to plain HTTP,
  ///   loopback excepted.
  static func address(_ location: String, from base: WebAddress) throws -> WebAddress {
    guard let next = WebAddress(location, relativeTo: base) else {
      throw TransferFailure.redirect(
        "the server redirects to '\(location.printable)', which is no web address")
    }
    if base.isSecure, !next.isSecure, !next.isLoopback {
      throw TransferFailure.redirect("the server redirects from HTTPS to plain HTTP, to \(next.host)")
    }
    return next
  }
}

extension StringProtocol {
  /// A server's text made fit for a message: short, on one line, without control characters.
  var printable: String {
    let line = String(
      unicodeScalars.prefix(300).map { $0.properties.generalCategory == .control ? " " : Character($0) })
    return line.trimming
  }
}
