import Testing

@testable import RPCTransport

@Suite("Frames")
struct FrameDecoderTests {
  private func events(
    _ bytes: [UInt8], _ framing: Framing, cutAt cuts: [Int], limits: FrameLimits = .standard
  )
    -> [FrameDecoder.Event]
  {
    var decoder = FrameDecoder(framing, limits: limits)
    var events: [FrameDecoder.Event] = []
    var start = 0
    for end in cuts + [bytes.count] {
      decoder.append(bytes[start..<end])
      while let event = decoder.next() { events.append(event) }
      start = end
    }
    return events
  }

  @Test("messages are the same wherever the bytes are cut", arguments: Framing.allCases)
  func cuts(framing: Framing) {
    let messages = [#"{"a":1}"#, #"{"b":"é"}"#, "{}"].map { Array($0.utf8) }
    let bytes = messages.flatMap(framing.encode)
    for cut in 0...bytes.count {
      #expect(events(bytes, framing, cutAt: [cut]) == messages.map { .frame($0) })
    }
    #expect(events(bytes, framing, cutAt: Array(0..<bytes.count)) == messages.map { .frame($0) })
  }

  @Test("the end of the input ends a line, and no frame by length")
  func endOfInput() {
    for (framing, text, expected) in [
      (Framing.lines, "{}\n[1]", FrameDecoder.Event.frame(Array("[1]".utf8))), (.lines, "{}\n", nil),
      (.lines, "{}\n \t", nil), (.contentLength, "Content-Length: 3\r\n\r\n{}", nil),
      (.lines, "{}\n123456789", .tooLong(bytes: 9)),
    ] {
      var decoder = FrameDecoder(framing, limits: FrameLimits(frame: 8, header: 100))
      decoder.append(Array(text.utf8))
      while decoder.next() != nil {}
      #expect(decoder.endOfInput() == expected, "\(text)")
    }
  }

  @Test("headers: other fields are skipped, names in any case")
  func headers() {
    let text = "content-type: application/vscode-jsonrpc; charset=utf-8\r\nCONTENT-LENGTH:  2\r\n\r\n{}"
    #expect(events(Array(text.utf8), .contentLength, cutAt: []) == [.frame(Array("{}".utf8))])
  }

  @Test(
    "a header that cannot be read ends the stream",
    arguments: [
      "Content-Length: x\r\n\r\n{}", "Content-Length: -1\r\n\r\n", "Other: 1\r\n\r\n{}", "nonsense\r\n\r\n{}",
    ])
  func badHeader(text: String) {
    guard case .badHeader? = events(Array(text.utf8), .contentLength, cutAt: []).first else {
      Issue.record("taken: \(text)")
      return
    }
  }

  @Test("a header without an end is not waited for for ever")
  func longHeader() {
    let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 5000)
    guard case .badHeader? = events(bytes, .contentLength, cutAt: []).first else {
      Issue.record("waits")
      return
    }
  }

  @Test("a message over the limit is skipped, and the next one is read", arguments: Framing.allCases)
  func tooLong(framing: Framing) {
    let limits = FrameLimits(frame: 100, header: 100)
    let bytes =
      framing.encode([UInt8](repeating: UInt8(ascii: "x"), count: 1000)) + framing.encode(Array("{}".utf8))
    for cut in [0, 50, 150, 1001] {
      let found = events(bytes, framing, cutAt: [cut], limits: limits)
      guard found.count == 2, case .tooLong = found[0] else {
        Issue.record("\(found)")
        continue
      }
      #expect(found[1] == .frame(Array("{}".utf8)))
    }
  }
}
