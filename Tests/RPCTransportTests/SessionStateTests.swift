import RPCModel
import Synchronization
import Testing

@testable import RPCTransport

@Suite("A session's life")
struct SessionStateTests {
  @Test("before initialize every request is refused with -32002, and a second initialize is refused")
  func order() {
    var state = SessionState()
    #expect(state.admit(.systemPing)?.code == -32002)
    #expect(state.admit(.shutdown)?.code == -32002)
    #expect(state.exitStatus == 1)
    #expect(state.admit(.initialize) == nil)
    #expect(state.admit(.initialize)?.code == ErrorCode.invalidRequest)
    #expect(state.admit(.systemPing) == nil)
    #expect(state.exitStatus == 1)
    #expect(state.admit(.shutdown) == nil)
    #expect(state.admit(.systemPing)?.code == ErrorCode.invalidRequest)
    #expect(state.exitStatus == 0)
  }
}

@Suite("What waits to be written")
struct OutboundQueueTests {
  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  @Test("control goes before bulk; what is to come after bulk does")
  func lanes() async {
    let queue = OutboundQueue()
    #expect(await queue.sendBulk(bytes("bulk"), stream: "s"))
    queue.sendAfterBulk(bytes("after"))
    queue.send(bytes("control"))
    #expect([queue.next(), queue.next(), queue.next()] == [bytes("control"), bytes("bulk"), bytes("after")])
    queue.close()
    #expect(queue.next() == nil)
  }

  @Test("a message takes the place of an older one with its key")
  func coalescing() {
    let queue = OutboundQueue()
    queue.send(bytes("1"), coalescingKey: "task")
    queue.send(bytes("between"))
    queue.send(bytes("2"), coalescingKey: "task")
    #expect([queue.next(), queue.next()] == [bytes("2"), bytes("between")])
    queue.send(bytes("3"), coalescingKey: "task")
    #expect(queue.next() == bytes("3"))
  }

  @Test(
    "a short message is written by its sender when nothing waits, and its rest before all that comes later")
  func atOnce() async {
    let written = Mutex<(room: Int, bytes: [UInt8], begun: [[UInt8]])>((6, [], []))
    var limits = OutboundQueue.Limits()
    limits.atOnce = 5
    let queue = OutboundQueue(limits: limits) { bytes in
      written.withLock { written in
        let taken = min(written.room, bytes.count)
        written.room -= taken
        written.bytes += bytes[..<taken]
        return taken
      }
    } begin: { bytes in
      written.withLock { $0.begun.append(bytes) }
    }
    queue.send(bytes("one"))
    #expect(written.withLock { $0.bytes } == bytes("one"))
    queue.send(bytes("three"))
    queue.send(bytes("4"))
    #expect(written.withLock { $0.bytes } == bytes("onethr"))
    #expect([queue.next(), queue.next()] == [bytes("ee"), bytes("4")])
    // The thread may be writing still.
    written.withLock { $0.room = 100 }
    queue.send(bytes("5"))
    #expect(queue.next() == bytes("5"))
    #expect(written.withLock { $0.begun } == [bytes("one"), bytes("three"), bytes("4"), bytes("5")])
    queue.close()
    #expect(queue.next() == nil)
    #expect(queue.progress == nil)
  }

  @Test("where the writing has failed, nothing waits for the other side any more")
  func failed() {
    let queue = OutboundQueue()
    queue.send(bytes("one"))
    queue.send(bytes("two"))
    #expect(queue.next() == bytes("one"))
    #expect(queue.progress != nil)
    queue.end()
    #expect(queue.progress == nil)
    #expect(queue.send(bytes("three")) == false)
  }

  @Test("a long message, and one behind a stream's, are left to the writing thread")
  func notAtOnce() async {
    let count = Mutex(0)
    var limits = OutboundQueue.Limits()
    limits.atOnce = 5
    let queue = OutboundQueue(
      limits: limits,
      writeAtOnce: { bytes in
        count.withLock { $0 += 1 }
        return bytes.count
      })
    queue.send(bytes("longer"))
    #expect(queue.next() == bytes("longer"))
    #expect(await queue.sendBulk(bytes("bulk"), stream: "s"))
    queue.send(bytes("short"))
    #expect([queue.next(), queue.next()] == [bytes("short"), bytes("bulk")])
    #expect(count.withLock { $0 } == 0)
  }

  @Test("the data of an abandoned stream is dropped")
  func discarded() async {
    let queue = OutboundQueue()
    #expect(await queue.sendBulk(bytes("a"), stream: "a"))
    #expect(await queue.sendBulk(bytes("b"), stream: "b"))
    queue.discardBulk(of: ["a"])
    #expect(queue.next() == bytes("b"))
  }

  @Test("invariant 7: a client that reads nothing ends its session, and memory stays bounded")
  func overflow() {
    var limits = OutboundQueue.Limits()
    limits.control = 100
    let queue = OutboundQueue(limits: limits)
    #expect(queue.send([UInt8](repeating: 1, count: 90)))
    #expect(!queue.send([UInt8](repeating: 1, count: 20)))
    #expect(queue.hasOverflowed)
    #expect(!queue.send([1]))
  }
}
