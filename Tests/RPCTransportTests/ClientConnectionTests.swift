import LinuxSystem
import RPCModel
import SystemPackage
import Testing

@testable import RPCTransport

@Suite("A client's streams to the service")
struct ClientConnectionTests {
  private struct Ends {
    let connection: ClientConnection
    /// What the client sends is read here.
    let requests: FileDescriptor
    /// What the service would write.
    let answers: FileDescriptor
    let end: AsyncStream<Void>
  }

  private func connect() throws -> Ends {
    let (toService, toClient) = (try makePipe(), try makePipe())
    let (end, ended) = AsyncStream.makeStream(of: Void.self)
    let channel = MessageChannel(input: toClient.read, output: toService.write, framing: .lines)
    return Ends(
      connection: ClientConnection(channel, onEnd: { ended.finish() }), requests: toService.read,
      answers: toClient.write, end: end)
  }

  @Test("what waits for credit is told when the request is over")
  func requestEnds() async throws {
    let ends = try connect()
    let sender = ends.connection.sender()
    async let isSent = sender.send([1, 2, 3])
    ends.connection.end(sender)
    let result = try await isSent
    #expect(!result)
    try ends.answers.close()
    for await _ in ends.end {}
    #expect(ends.connection.isClosed)
    try ends.requests.close()
  }

  @Test("the last bytes are waited for, and given up where they get no credit or nobody takes them")
  func lastBytes() async throws {
    let ends = try connect()
    // What is taken is not waited for any longer.
    let taken = ends.connection.sender()
    taken.grant(4)
    async let isTaken = taken.send([1, 2], takenWithin: .seconds(3600))
    try await onBlockingThread("service") {
      var byte: UInt8 = 0
      while byte != UInt8(ascii: "\n") {
        guard try withUnsafeMutableBytes(of: &byte, { try ends.requests.read(into: $0) }) == 1 else { return }
      }
      taken.grant(2)
    }
    #expect(await isTaken)
    ends.connection.end(taken)
    #expect(await taken.send([3], takenWithin: .seconds(3600)) == false)
    let (silent, full) = (ends.connection.sender(), ends.connection.sender())
    #expect(await silent.send([1, 2, 3], takenWithin: .milliseconds(10)) == false)
    full.grant(3)
    #expect(await full.send([1, 2], takenWithin: .milliseconds(10)))
    #expect(await full.send([3, 4], takenWithin: .milliseconds(10)) == false)
    try ends.answers.close()
    for await _ in ends.end {}
    try ends.requests.close()
  }

  @Test("who waits is told where the service could not read a message, and the session goes on")
  func unreadable() async throws {
    let ends = try connect()
    func answerRequest(_ line: String) async throws {
      try await onBlockingThread("service") {
        var byte: UInt8 = 0
        while byte != UInt8(ascii: "\n") {
          guard try withUnsafeMutableBytes(of: &byte, { try ends.requests.read(into: $0) }) == 1 else {
            return
          }
        }
        _ = try ends.answers.writeAll(Array("\(line)\n".utf8))
      }
    }
    let waiting = Task { try await ends.connection.send(SystemPing.self, .init()) }
    try await answerRequest(
      #"{"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "too long"}}"#)
    let refused = await #expect(throws: RPCError.self) { _ = try await waiting.value }
    #expect(refused?.message == "too long")
    async let next = ends.connection.send(SystemPing.self, .init())
    try await answerRequest(#"{"jsonrpc": "2.0", "id": 2, "result": {}}"#)
    _ = try await next
    try ends.answers.close()
    for await _ in ends.end {}
    try ends.requests.close()
  }

  @Test("and when the service has ended")
  func serviceEnds() async throws {
    let ends = try connect()
    let sender = ends.connection.sender()
    async let isSent = sender.send([1, 2, 3])
    try ends.answers.close()
    let result = try await isSent
    #expect(!result)
    for await _ in ends.end {}
    await #expect(throws: RPCError.self) { try await ends.connection.send(SystemPing.self, .init()) }
    try ends.requests.close()
  }
}
