import Foundation
import Testing

@testable import RPCModel

@Suite("JSON text")
struct JSONWriterTests {
  @Test(
    "strings come back as they were",
    arguments: [
      "", "plain", "a \"quoted\" \\ word", "line\nbreak\ttab\r", "\u{0}\u{1}\u{1f}\u{7f}", "é 漢 🛶", "a/b",
    ])
  func strings(text: String) throws {
    let written = JSONWriter.bytes(of: ["k": [text]])
    #expect(try JSONDecoder().decode([String: [String]].self, from: Data(written)) == ["k": [text]])
    // A message is one line on the wire.
    #expect(!written.contains(UInt8(ascii: "\n")))
  }

  @Test(
    "members are in the protocol's order, what is absent is not written, and commas are between them only")
  func objects() {
    let error = RPCError(
      code: -32000, message: "no", data: ErrorData(kind: .notFound, retriable: false, causes: ["a", "b"]))
    let expected =
      #"{"code":-32000,"message":"no","data":{"kind":"notFound","retriable":false,"causes":["a","b"]}}"#
    #expect(
      String(decoding: JSONWriter.bytes(of: [error, error]), as: UTF8.self) == "[\(expected),\(expected)]")
    #expect(
      String(
        decoding: JSONWriter.bytes(of: FailureMessage(id: nil, error: .init(code: 1, message: ""))),
        as: UTF8.self)
        == #"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#)
  }
}
