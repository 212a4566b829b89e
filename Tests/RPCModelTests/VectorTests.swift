import Foundation
import Testing

@testable import RPCModel

/// The vectors that protocol-tool writes for the tests of all clients.
private enum Vectors {
  static func read(_ name: String) throws -> [[String: Any]] {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let data = try Data(contentsOf: root.appending(path: "protocol/vectors/\(name).json"))
    return try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
  }

  static func bytes(_ message: Any) throws -> Data { try JSONSerialization.data(withJSONObject: message) }
}

@Suite("Message vectors")
struct VectorTests {
  @Test("each request's examples decode, and encode to the same message")
  func requests() throws {
    let vectors = try Vectors.read("requests")
    #expect(Set(vectors.compactMap { $0["method"] as? String }) == Set(Method.allCases.map(\.rawValue)))
    for vector in vectors {
      let decoded = try JSONDecoder().decode(MessageToService.self, from: try Vectors.bytes(vector))
      guard case .request(let id, let request) = decoded else {
        Issue.record("\(vector) is no request")
        continue
      }
      #expect(id == .integer(1))
      #expect(request.method.rawValue == vector["method"] as? String)
      let params = try #require(Mirror(reflecting: request).children.first?.value as? any JSONWritable)
      let written = try JSONSerialization.jsonObject(with: Data(JSONWriter.bytes(of: params)))
      // Null is as good as absent.
      let given = (vector["params"] as? [String: Any] ?? [:]).filter { !($0.value is NSNull) }
      let isSame = (written as? NSDictionary) == given as NSDictionary
      #expect(isSame, "\(request.method): \(written)")
    }
  }

  /// The value with a member more in each of its objects, but for those whose names the client chooses.
  private func withUnknownMembers(_ value: Any) -> Any {
    if let array = value as? [Any] { return array.map(withUnknownMembers) }
    guard let object = value as? [String: Any] else { return value }
    let free: Set = ["arguments", "attributes", "contexts", "environment", "labels", "sysctls"]
    var members = Dictionary(
      uniqueKeysWithValues: object.map { ($0, free.contains($0) ? $1 : withUnknownMembers($1)) })
    members["notYetKnown"] = ["some": ["thing"]]
    return members
  }

  @Test("members that this version does not know are ignored, however deep, in requests and notifications")
  func unknownMembers() throws {
    for vector in try Vectors.read("requests") {
      let known = try JSONDecoder().decode(MessageToService.self, from: try Vectors.bytes(vector))
      let more = try JSONDecoder().decode(
        MessageToService.self, from: try Vectors.bytes(withUnknownMembers(vector)))
      guard case .request(_, let plain) = known, case .request(_, let decorated) = more else {
        Issue.record("refused: \(more)")
        continue
      }
      #expect(plain == decorated)
    }
    for vector in try Vectors.read("notifications") where vector["direction"] as? String != "clientToServer" {
      let message = try #require(vector["message"])
      let known = try JSONDecoder().decode(MessageToClient.self, from: try Vectors.bytes(message))
      let more = try JSONDecoder().decode(
        MessageToClient.self, from: try Vectors.bytes(withUnknownMembers(message)))
      guard case .notification(let plain) = known, case .notification(let decorated) = more else {
        Issue.record("not taken: \(more)")
        continue
      }
      #expect(plain == decorated)
    }
  }

  @Test("what is not a request of the protocol is refused as invalid parameters")
  func invalidRequests() throws {
    let vectors = try Vectors.read("invalid-requests")
    #expect(vectors.count > 50)
    for vector in vectors {
      let message = try #require(vector["message"])
      let decoded = try JSONDecoder().decode(MessageToService.self, from: try Vectors.bytes(message))
      guard case .refused(let id, let error) = decoded else {
        Issue.record("taken although \(vector["why"] ?? ""): \(message)")
        continue
      }
      #expect(id == .integer(1))
      #expect(error.code == ErrorCode.invalidParams)
    }
  }

  @Test("each result and notification of the service decodes at the client")
  func toClient() throws {
    for vector in try Vectors.read("results") {
      let message = try #require(vector["message"])
      guard
        case .result(.integer(1)) = try JSONDecoder().decode(
          MessageToClient.self, from: try Vectors.bytes(message))
      else {
        Issue.record("\(message) is no result")
        continue
      }
    }
    for vector in try Vectors.read("notifications") where vector["direction"] as? String != "clientToServer" {
      let message = try #require(vector["message"])
      guard
        case .notification = try JSONDecoder().decode(MessageToClient.self, from: try Vectors.bytes(message))
      else {
        Issue.record("\(message) is no notification")
        continue
      }
    }
  }
}

@Suite("Envelopes")
struct EnvelopeTests {
  private func decode(_ text: String) throws -> MessageToService {
    try JSONDecoder().decode(MessageToService.self, from: Data(text.utf8))
  }

  @Test(
    "what is no JSON-RPC request gets the specification's code",
    arguments: [
      (#"[{"jsonrpc":"2.0","id":1,"method":"system/ping"}]"#, ErrorCode.invalidRequest),
      (#""text""#, ErrorCode.invalidRequest),
      (#"{"jsonrpc":"1.0","id":1,"method":"system/ping"}"#, ErrorCode.invalidRequest),
      (#"{"jsonrpc":"2.0","id":1}"#, ErrorCode.invalidRequest),
      (#"{"jsonrpc":"2.0","id":[1],"method":"system/ping"}"#, ErrorCode.invalidRequest),
      (#"{"jsonrpc":"2.0","id":1,"method":"system/pong"}"#, ErrorCode.methodNotFound),
      (#"{"jsonrpc":"2.0","id":1,"method":"image/pull","params":{"reference":7}}"#, ErrorCode.invalidParams),
      (#"{"jsonrpc":"2.0","id":1,"method":"image/pull"}"#, ErrorCode.invalidParams),
    ])
  func refused(text: String, code: Int) throws {
    guard case .refused(_, let error) = try decode(text) else {
      Issue.record("not refused: \(text)")
      return
    }
    #expect(error.code == code)
  }

  @Test("a notification that is unknown or malformed has no answer")
  func ignored() throws {
    for text in [#"{"jsonrpc":"2.0","method":"no/such"}"#, #"{"jsonrpc":"2.0","id":3,"result":{}}"#] {
      guard case .ignored = try decode(text) else {
        Issue.record("not ignored: \(text)")
        continue
      }
    }
  }

  @Test("a request without parameters that needs none is taken")
  func noParams() throws {
    guard
      case .request(let id, let request) = try decode(#"{"jsonrpc":"2.0","id":"a","method":"system/ping"}"#)
    else {
      Issue.record("not taken")
      return
    }
    #expect(id == .string("a"))
    #expect(request.method == .systemPing)
  }
}
