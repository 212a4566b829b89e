import LinuxSystem
import SystemPackage
import Testing

@Suite struct BlockingThreadTests {
  @Test func `the body runs on a thread of that name and its value comes back`() async throws {
    let name = try await onBlockingThread("test-body") {
      let comm = try FileDescriptor.open("/proc/thread-self/comm", .readOnly)
      return try comm.closeAfter {
        try String(unsafeUninitializedCapacity: 64) { try comm.read(into: UnsafeMutableRawBufferPointer($0)) }
      }
    }
    #expect(name == "test-body\n")
  }

  @Test func `what the body throws is thrown to the waiter`() async {
    await #expect(throws: SystemError.self) {
      try await onBlockingThread("test-throw") { throw SystemError("read", .badFileDescriptor) }
    }
  }

  @Test func `bodies that wait for each other all run, however many there are`() async throws {
    let count = 200
    let arrived = Condition(0)
    try await withThrowingTaskGroup { group in
      for _ in 0..<count {
        group.addTask {
          try await onBlockingThread("test-barrier") {
            arrived.change { $0 += 1 }
            arrived.wait(until: { $0 == count }) { _ in }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(arrived.read { $0 } == count)
  }

  @Test func `a joined worker has ended`() throws {
    let ran = Condition(false)
    let worker = try WorkerThread("test-worker") { ran.change { $0 = true } }
    worker.join()
    #expect(ran.read { $0 })
    worker.join()
  }
}
