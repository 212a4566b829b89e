import Foundation
import Glibc
import RPCModel
import TestSupport
import Testing

/// Raw messages to a real service, and what it answers.
@Suite("The base protocol")
struct BaseProtocolTests {
  /// Sends lines to a service and gives its answers, decoded, and its exit status when its input has ended.
  private func talk(_ lines: [String], framing: String = "lines") async throws -> (
    answers: [[String: Any]], status: ChildProcess.ExitStatus
  ) {
    let account = try #require(Account.available.first)
    nonisolated(unsafe) var answers: [[String: Any]] = []  // Written before the closure returns, read after.
    let status = try await withTestStore(account) { store in
      let result = try await store.runProgram(
        "coracle", ["serve", "--framing", framing],
        input: .bytes(Array((lines.joined(separator: "\n") + "\n").utf8)))
      answers = try result.text.split(separator: "\n").map { line in
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      }
      return result.status
    }
    return (answers, status)
  }

  private func code(_ answer: [String: Any]?) -> Int? {
    (answer?["error"] as? [String: Any])?["code"] as? Int
  }

  private static let initialize = #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#

  @Test("each malformed message gets its error, and the session goes on")
  func errors() async throws {
    let (answers, status) = try await talk([
      #"{"jsonrpc":"2.0","id":1,"method":"system/ping"}"#,
      Self.initialize,
      "{not json",
      "[]",
      #"{"jsonrpc":"2.0","id":2,"method":"no/such"}"#,
      #"{"jsonrpc":"2.0","id":3,"method":"image/inspect","params":{"image":3}}"#,
      #"{"jsonrpc":"2.0","id":4,"method":"system/ping"}"#,
      #"{"jsonrpc":"2.0","method":"no/such"}"#,
      #"{"jsonrpc":"2.0","id":5,"method":"initialize","params":{}}"#,
      #"{"jsonrpc":"2.0","id":6,"method":"shutdown"}"#,
      #"{"jsonrpc":"2.0","id":7,"method":"system/ping"}"#,
      #"{"jsonrpc":"2.0","method":"exit"}"#,
    ])
    func answer(_ id: Int) -> [String: Any]? { answers.first { $0["id"] as? Int == id } }
    #expect(code(answer(1)) == -32002)
    #expect(answer(0)?["result"] != nil)
    #expect(answers.filter { $0["id"] is NSNull }.compactMap { code($0) } == [-32700, -32600])
    #expect(code(answer(2)) == -32601)
    #expect(code(answer(3)) == -32602)
    #expect(answer(4)?["result"] != nil)
    #expect(code(answer(5)) == -32600)
    #expect(answer(6)?["result"] != nil)
    #expect(code(answer(7)) == -32600)
    #expect(answers.count == 10)
    #expect(status == .exited(0))
  }

  @Test(
    "before initialize notifications are ignored, and exit without shutdown is status 1, as is the end of the input"
  )
  func exits() async throws {
    let exit = #"{"jsonrpc":"2.0","method":"exit"}"#
    let early = try await talk([
      #"{"jsonrpc":"2.0","method":"$/setTrace","params":{"value":"verbose"}}"#, exit,
    ])
    #expect(early.answers.isEmpty && early.status == .exited(1))
    #expect(try await talk([Self.initialize, exit]).status == .exited(1))
    #expect(try await talk([Self.initialize]).status == .exited(1))
    let shutdown = #"{"jsonrpc":"2.0","id":1,"method":"shutdown"}"#
    #expect(try await talk([Self.initialize, shutdown, exit]).status == .exited(0))
  }

  @Test("requests that are under way are cancelled and answered before shutdown is")
  func shutdown() async throws {
    let (answers, status) = try await talk([
      Self.initialize,
      // Nothing of the stream ever comes.
      #"{"jsonrpc":"2.0","id":1,"method":"image/load","params":{"stream":"never"}}"#,
      #"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#, #"{"jsonrpc":"2.0","method":"exit"}"#,
    ])
    #expect(answers.compactMap { $0["id"] as? Int } == [0, 1, 2])
    #expect(code(answers.first { $0["id"] as? Int == 1 }) == -32800)
    #expect(answers.first { $0["id"] as? Int == 2 }?["result"] != nil && status == .exited(0))
  }

  @Test("members that are not known are ignored by a service, those of nested objects too")
  func unknownMembers() async throws {
    let (answers, _) = try await talk([
      #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"x","mood":1},"mood":[]},"mood":{}}"#,
      #"{"jsonrpc":"2.0","id":1,"method":"system/ping","params":{"mood":null}}"#,
      #"{"jsonrpc":"2.0","id":2,"method":"container/create","params":{"image":"no/such:1","mounts":[{"kind":"tmpfs","target":"/x","mood":3}]}}"#,
    ])
    #expect(answers.count == 3)
    for id in 0...1 { #expect(answers.first { $0["id"] as? Int == id }?["result"] != nil) }
    // It was understood: what fails is the image, unless the end of the input is sooner.
    let failed = answers.first { $0["id"] as? Int == 2 }
    #expect([-32803, -32800].contains(code(failed)), "\(failed ?? [:])")
  }

  @Test("rpc.discover answers with openrpc.json")
  func discover() async throws {
    let (answers, _) = try await talk([
      Self.initialize, #"{"jsonrpc":"2.0","id":1,"method":"rpc.discover"}"#,
    ])
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let written = try JSONSerialization.jsonObject(
      with: Data(contentsOf: root.appending(path: "protocol/openrpc.json")))
    let document = answers.first { $0["id"] as? Int == 1 }?["result"] as? NSDictionary
    #expect(document?.count == 4)
    #expect(document == written as? NSDictionary)
  }

  @Test("with --record a session's messages are in a file of the caller's alone, a line each")
  func record() async throws {
    let account = try #require(Account.available.last)
    try await withTestStore(account) { store in
      let ping = #"{"jsonrpc":"2.0","id":1,"method":"system/ping"}"#
      let input = """
        Content-Length: \(Self.initialize.utf8.count + 2)\r\n\r\n\(Self.initialize.dropLast())
        \t}Content-Length: \(ping.utf8.count)\r\n\r\n\(ping)
        """
      let result = try await store.runProgram(
        "coracle", ["serve", "--record", store.directory.string], input: .bytes(Array(input.utf8)))
      #expect(result.errorText.isEmpty)
      let listed = try await ChildProcess.run([
        "sh", "-c", "cd \"$1\" && stat -c %a:%U *.jsonl && cat *.jsonl", "sh", store.directory.string,
      ])
      let lines = listed.text.split(separator: "\n")
      #expect(lines.first?.hasPrefix("600:") == true)
      let said = try lines.dropFirst().map { line in
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      }
      #expect(said.filter { $0["from"] as? String == "client" }.count == 2)
      let ids = said.filter { $0["from"] as? String == "service" }
        .compactMap { ($0["message"] as? [String: Any])?["id"] as? Int }
      // A ping need not wait for others.
      #expect(ids.sorted() == [0, 1])
      let refused = try await store.runProgram("coracle", ["serve", "--record", "/no/such"])
      #expect(refused.errorText.contains("cannot record") && refused.status == .exited(64))
    }
  }

  @Test("bytes that are no UTF-8 and a message over the limit are refused, and the session goes on")
  func bytes() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      var input = Array((Self.initialize + "\n").utf8)
      input += Array(#"{"jsonrpc":"2.0","id":1,"method":"x"#.utf8) + [0xff, 0xfe] + Array("\"}\n".utf8)
      input += [UInt8](repeating: UInt8(ascii: " "), count: (16 << 20) + 1) + Array("{}\n".utf8)
      input += Array((#"{"jsonrpc":"2.0","id":2,"method":"system/ping"}"# + "\n").utf8)
      let result = try await store.runProgram(
        "coracle", ["serve", "--framing", "lines"], input: .bytes(input))
      let lines = result.text.split(separator: "\n")
      #expect(lines.count == 4)
      #expect(lines.contains { $0.contains("-32700") })
      #expect(lines.contains { $0.contains("-32600") })
      #expect(lines.contains { $0.contains(#""id":2"#) && $0.contains("result") })
      // The input ended without shutdown.
      #expect(result.status == .exited(1))
    }
  }

  @Test("a last line without an end is answered as others are")
  func lastLine() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      for last in [#"{"jsonrpc":"2.0","id":7,"method":"shutdown"}"#, #"{"id":7"#] {
        let result = try await store.runProgram(
          "coracle", ["serve", "--framing", "lines"], input: .bytes(Array("\(Self.initialize)\n\(last)".utf8))
        )
        let lines = result.text.split(separator: "\n")
        #expect(lines.count == 2, "\(lines)")
        #expect(lines.contains { $0.contains(last.contains("shutdown") ? #""id":7"# : "-32700") }, "\(lines)")
      }
    }
  }

  @Test("who the client is is in the service's log")
  func clientInfo() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let message =
        #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"editor","version":"1.2"}}}"#
      for (level, isTold) in [("info", true), ("warning", false)] {
        let result = try await store.runProgram(
          "coracle", ["serve", "--framing", "lines", "--log-level", level],
          input: .bytes(Array((message + "\n").utf8)))
        #expect(result.errorText.contains("the client is editor 1.2") == isTold, "\(result.errorText)")
      }
    }
  }

  @Test("with LSP's frames: an answer in one, and the end after a header that cannot be read")
  func frames() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let message = Self.initialize
      let input = "Content-Length: \(message.utf8.count)\r\n\r\n\(message)Content-Length: none\r\n\r\n{}"
      let result = try await store.runProgram("coracle", ["serve"], input: .bytes(Array(input.utf8)))
      #expect(result.text.hasPrefix("Content-Length: "))
      #expect(result.text.contains(#""serverInfo""#) && result.text.contains("-32600"))
      #expect(result.status == .exited(1))
    }
  }

  @Test("the service ends with its client's process")
  func clientDies() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let client = try await ChildProcess.spawn(["sleep", "1000"], diesWithTests: true)
      let service = try await store.uninitializedService()
      _ = try await service.send(Initialize.self, .init(processId: Int(client.pid)))
      client.signal(SIGKILL)
      #expect(await service.waitForExit() == 1)
    }
  }

  @Test("a store that cannot be opened is told to the program that asks, and to the person")
  func cannotStart() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      try store.directory.appending("file").write([])
      let result = try await store.runProgram(
        "coracle",
        ["serve", "--framing", "lines", "--store", store.directory.appending("file/store").string],
        input: .bytes(Array((Self.initialize + "\n").utf8)))
      #expect(result.text.contains("cannot open the store") && result.text.contains("invalidArgument"))
      #expect(result.errorText.contains("cannot open the store"))
      #expect(result.status == .exited(1))
    }
  }

  @Test("invariant 7: a stream without credit delays no other answer, and a cancel ends it")
  func stalledStream() async throws {
    let account = try #require(Account.available.first)
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      let stalled = service.process.connection.receiver(credit: 10)
      let running = Task {
        try await service.send(
          ContainerRun.self,
          .init(
            image: "busybox:1", command: ["sh", "-c", "while :; do echo 0123456789; done"], stopTimeoutMs: 0,
            streams: OutputStreams(stdout: stalled.id, initialCredit: 10)))
      }
      var chunks = stalled.chunks.makeAsyncIterator()
      #expect(await chunks.next()?.count == 10)
      for _ in 0..<20 { _ = try await service.send(SystemPing.self, .init()) }
      running.cancel()
      let error = await #expect(throws: RPCError.self) { try await running.value }
      #expect(error?.code == ErrorCode.requestCancelled)
      #expect(await service.stop() == 0)
    }
  }
}
