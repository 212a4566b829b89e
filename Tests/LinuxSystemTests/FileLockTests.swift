import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite struct FileLockTests {
  @Test func `a held lock excludes, a released one does not`() throws {
    try withTemporaryDirectory { directory in
      let path = directory.appending("lock")
      let lock = try #require(try FileLock.tryAcquire(path))
      #expect(try FileLock.tryAcquire(path) == nil)
      #expect(try FileLock.tryAcquire(path, .shared) == nil)
      lock.release()
      lock.release()
      #expect(try FileLock.tryAcquire(path) != nil)
    }
  }

  @Test func `shared locks go together`() throws {
    try withTemporaryDirectory { directory in
      let path = directory.appending("lock")
      let first = try #require(try FileLock.tryAcquire(path, .shared))
      let second = try #require(try FileLock.tryAcquire(path, .shared))
      #expect(try FileLock.tryAcquire(path) == nil)
      first.release()
      second.release()
    }
  }

  @Test func `a waiter gets the lock when it is released`() async throws {
    try await withTemporaryDirectory { directory in
      let path = directory.appending("lock")
      let held = try #require(try FileLock.tryAcquire(path))
      // The holder lets go from within the wait: no clock is involved.
      let lock = try await FileLock.acquire(path) { held.release() }
      #expect(try FileLock.tryAcquire(path) == nil)
      lock.release()
    }
  }

  @Test func `a cancelled waiter gives up and takes nothing`() async throws {
    try await withTemporaryDirectory { directory in
      let path = directory.appending("lock")
      let held = try #require(try FileLock.tryAcquire(path))
      let (waiting, signal) = AsyncStream<Void>.makeStream()
      let task = Task { try await FileLock.acquire(path) { signal.yield() } }
      try await waiting.first("word that it waits")
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      held.release()
      #expect(try FileLock.tryAcquire(path) != nil)
    }
  }

  @Test func `a lock file that its holder removed is not mistaken for the new one`() async throws {
    try await withTemporaryDirectory { directory in
      let path = directory.appending("lock")
      let held = try #require(try FileLock.tryAcquire(path))
      async let waiter = onBlockingThread("test-flock") { try FileLock.acquireBlocking(path) }
      held.releaseAndRemove()
      let lock = try await waiter
      #expect(try FileLock.tryAcquire(path) == nil)
      lock.releaseAndRemove()
      #expect(access(path.string, F_OK) == -1)
    }
  }

  @Test func `two hundred holders never meet`() async throws {
    try await withTemporaryDirectory { directory in
      let path = directory.appending("lock")
      let inside = Condition((now: 0, most: 0))
      try await withThrowingTaskGroup { group in
        for _ in 0..<200 {
          group.addTask {
            let lock = try await FileLock.acquire(path)
            inside.change { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            await Task.yield()
            inside.change { $0.now -= 1 }
            lock.releaseAndRemove()
          }
        }
        try await group.waitForAll()
      }
      #expect(inside.read { $0.most } == 1)
    }
  }

  @Test func `a lock file in a directory that is not there names the path`() {
    #expect {
      try FileLock.tryAcquire("/nonexistent/lock")
    } throws: { error in
      (error as? SystemError)?.errno == .noSuchFileOrDirectory
        && (error as? SystemError)?.subject == "/nonexistent/lock"
    }
  }
}
