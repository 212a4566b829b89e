package import EngineErrors

/// What is fetched from web servers that are no registries.
extension RegistryClient {
  /// Fetches what a web address leads to, through the proxies and with the trust that registries have too.
  ///
  /// - Parameter receive: as for `fetchBlob`; gets the bytes in order.
  /// - Throws: `invalidArgument` for what is no web address, `notFound`, `unreachable`.
  package func fetchFile(
    _ text: String, receive: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
  ) async throws(EngineError) {
    guard let address = WebAddress(text) else {
      throw EngineError(.invalidArgument, "not a web address: \(text.prefix(200))", subject: text)
    }
    let operation = "fetch \(text.prefix(200))"
    do {
      var request = HTTPRequest(.get, address, stallTimeout: configuration.stallTimeout)
      request.isBulk = true
      let response = try await http.send(request) { head in
        head.isSuccess ? .deliver(receive) : .collect(limit: Transfer.errorBodyLimit)
      }
      guard response.head.isSuccess else { throw TransferFailure.status(response) }
    } catch {
      throw .registry(operation, error, subject: text, peer: .server)
    }
  }
}
