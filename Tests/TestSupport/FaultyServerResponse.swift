package import OCIModel

/// One scripted answer of a `FaultyServer`.
package struct FaultyResponse: Sendable, CustomStringConvertible {
  /// What is wrong with how the answer is sent.
  package enum Fault: Sendable {
    case none
    /// The connection is closed after so many bytes of the body.
    case closes(afterBytes: Int)
    /// After so many bytes of the body nothing more comes, and the connection stays open.
    case hangs(afterBytes: Int)
    /// Nothing at all is sent, and the connection stays open.
    case silent
    /// The body comes in pieces of so many bytes, each its own packet.
    case trickles(piece: Int)
    /// The connection is closed without an answer.
    case closesAtOnce
  }

  package var status: Int
  package var fields: [String: String]
  package var body: [UInt8]
  package var fault: Fault
  /// Whether a Range of the request is honoured, as blob stores do.
  package var doesRanges = false
  /// How the end of the body is marked.
  package var framing: Framing = .length

  package enum Framing: Sendable {
    case length
    case chunked
    /// By the end of the connection alone.
    case close
  }

  package init(
    status: Int = 200, fields: [String: String] = [:], body: some Sequence<UInt8> = [], fault: Fault = .none
  ) {
    self.status = status
    self.fields = fields
    self.body = Array(body)
    self.fault = fault
  }

  package var description: String { "\(status) with \(body.count) bytes, \(fault)" }

  /// A blob with all its bytes.
  package static func blob(_ bytes: [UInt8], fault: Fault = .none, ranges: Bool = true) -> FaultyResponse {
    var response = FaultyResponse(
      fields: ["Content-Type": "application/octet-stream"], body: bytes, fault: fault)
    response.doesRanges = ranges
    return response
  }

  /// A manifest or index with a true Docker-Content-Digest, unless another is given.
  package static func manifest(
    _ bytes: [UInt8], mediaType: String = MediaType.ociManifest, digest: Digest? = nil
  ) -> FaultyResponse {
    FaultyResponse(
      fields: [
        "Content-Type": mediaType, "Docker-Content-Digest": (digest ?? Digest(of: bytes)).description,
      ],
      body: bytes)
  }

  /// A failure with a registry's JSON body.
  package static func failure(
    _ status: Int, code: String, message: String, fields: [String: String] = [:]
  ) -> FaultyResponse {
    FaultyResponse(
      status: status, fields: fields.merging(["Content-Type": "application/json"]) { own, _ in own },
      body: #"{"errors":[{"code":"\#(code)","message":"\#(message)"}]}"#.utf8)
  }

  package static func redirect(_ status: Int = 307, to location: String) -> FaultyResponse {
    FaultyResponse(status: status, fields: ["Location": location])
  }
}
