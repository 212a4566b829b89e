import ContentStore
import EngineErrors
import LinuxSystem
import OCIModel
import SystemPackage
import TestSupport
import Testing

@Suite("Blobs: whole and verified, or not there")
struct ContentStoreTests {
  private let bytes = Array("some content".utf8)

  private func withStore(_ body: @Sendable (ContentStore, FilePath) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
      try await body(try ContentStore(root: directory.appending("store")), directory.appending("store"))
    }
  }

  @Test("what was put is read back by its digest")
  func roundTrip() async throws {
    try await withStore { store, _ in
      let digest = try store.put(bytes: bytes)
      #expect(digest == Digest(of: bytes))
      #expect(try store.read(digest, limit: 100) == bytes)
      #expect(try store.list() == [digest])
      try store.remove(digest)
      #expect(!store.contains(digest))
    }
  }

  @Test("invariant 2: bytes of another digest are refused and leave nothing")
  func wrongDigest() async throws {
    try await withStore { store, root in
      let writer = try store.ingest(expected: Digest(of: "other".utf8), size: nil)
      try bytes.withUnsafeBytes { try writer.write($0) }
      #expect(throws: EngineError.self) { try writer.commit() }
      #expect(try store.list() == [])
      #expect(try directoryEntries(root.appending("ingest")) == [])
    }
  }

  @Test("more bytes than the blob should have are refused as they come")
  func tooLong() async throws {
    try await withStore { store, _ in
      let writer = try store.ingest(expected: nil, size: 3)
      let error = #expect(throws: EngineError.self) { try bytes.withUnsafeBytes { try writer.write($0) } }
      #expect(error?.kind == .corrupt)
    }
  }

  @Test("fewer bytes than the blob should have are refused at the end")
  func tooShort() async throws {
    try await withStore { store, _ in
      let writer = try store.ingest(expected: Digest(of: bytes), size: 100)
      try bytes.withUnsafeBytes { try writer.write($0) }
      let error = #expect(throws: EngineError.self) { try writer.commit() }
      #expect(error?.kind == .corrupt)
      #expect(try store.list() == [])
    }
  }

  /// - Parameters:
  ///   - size: around the pieces that go past the page cache.
  ///   - first: how many of the bytes an earlier writer has had.
  @Test(
    "what comes in odd portions is there as it came, also after an earlier writer",
    arguments: [0, 1, 4095, 262_143, 262_144, 262_145, 1_000_000], [0, 1, 4096, 262_144, 300_001])
  func portions(size: Int, first: Int) async throws {
    try await withStore { store, root in
      let bytes = noise(size)
      let digest = Digest(of: bytes)
      func write(_ range: Range<Int>, to writer: BlobWriter) throws {
        var (position, portion) = (range.lowerBound, 1)
        while position < range.upperBound {
          let end = min(position + portion, range.upperBound)
          try bytes[position..<end].withUnsafeBytes { try writer.write($0) }
          (position, portion) = (end, portion * 7 % 300_007)
        }
      }
      let earlier = try store.ingest(expected: digest, size: Int64(size))
      try write(0..<min(first, size), to: earlier)
      earlier.suspend()
      let writer = try store.ingest(expected: digest, size: Int64(size))
      #expect(writer.leftover == min(first, size))
      var resumed: [UInt8] = []
      try writer.resume { resumed += $0 }
      #expect(resumed == Array(bytes.prefix(first)))
      try write(min(first, size)..<size, to: writer)
      #expect(writer.bytesWritten == size)
      #expect(try writer.commit() == digest)
      #expect(try store.read(digest, limit: size) == bytes)
      #expect(try directoryEntries(root.appending("ingest")) == [])
    }
  }

  private func noise(_ count: Int) -> [UInt8] {
    var state: UInt64 = 88_172_645_463_325_252
    return (0..<count).map { _ in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt8(truncatingIfNeeded: state)
    }
  }

  @Test("a writer that is dropped leaves nothing")
  func dropped() async throws {
    try await withStore { store, root in
      do {
        let writer = try store.ingest(expected: nil, size: nil)
        try bytes.withUnsafeBytes { try writer.write($0) }
      }
      #expect(try directoryEntries(root.appending("ingest")) == [])
    }
  }

  @Test("a blob that the disk has damaged is not read")
  func damaged() async throws {
    try await withStore { store, _ in
      let digest = try store.put(bytes: bytes)
      let file = try FileDescriptor.open(store.path(of: digest), .writeOnly)
      try file.closeAfter { _ = try file.writeAll("SOME content".utf8) }
      let error = #expect(throws: EngineError.self) { try store.read(digest, limit: 100) }
      #expect(error?.kind == .corrupt)
    }
  }

  @Test("a missing blob is not found, and a large one is not read")
  func limits() async throws {
    try await withStore { store, _ in
      let missing = #expect(throws: EngineError.self) { try store.read(Digest(of: bytes), limit: 100) }
      #expect(missing?.kind == .notFound)
      let digest = try store.put(bytes: bytes)
      let large = #expect(throws: EngineError.self) { try store.read(digest, limit: 3) }
      #expect(large?.kind == .corrupt)
    }
  }

  @Test("what somebody goes on with is not stale, however old it is")
  func stale() async throws {
    try await withStore { store, root in
      let (one, other) = (Digest(of: "one".utf8), Digest(of: "other".utf8))
      for digest in [one, other] {
        let writer = try store.ingest(expected: digest, size: 100)
        try bytes.withUnsafeBytes { try writer.write($0) }
        writer.suspend()
        let path = root.appending("ingest").appending("\(digest.hex).partial")
        let old = try await ChildProcess.run(["touch", "-d", "25 hours ago", path.string])
        #expect(old.succeeded)
      }
      let lock = try await store.withIngestLock(one)
      try store.removeStalePartials()
      lock.releaseAndRemove()
      #expect(try directoryEntries(root.appending("ingest")) == ["\(one.hex).partial"])
    }
  }

  @Test("invariant 3: the second to take in a blob waits, and sees the first one's progress")
  func ingestLock() async throws {
    try await withStore { store, _ in
      // The last bytes that fill no piece are nowhere yet.
      let bytes = noise(300_000)
      let digest = Digest(of: bytes)
      let first = try await store.withIngestLock(digest)
      let writer = try store.ingest(expected: digest, size: nil)
      try bytes.withUnsafeBytes { try writer.write($0) }
      let (progress, report) = AsyncStream.makeStream(of: Int64.self)
      async let second = store.withIngestLock(digest) { report.yield($0) }
      try await progress.first("progress") { $0 > 0 }
      try writer.commit()
      first.release()
      try await second.release()
      #expect(store.contains(digest))
    }
  }
}
