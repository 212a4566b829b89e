import EngineErrors
import Glibc
import LinuxSystem
import OCIModel
import SystemPackage
import TestSupport
import Testing

@testable import ContentStore

@Suite("A blob's file: past the page cache while that is possible and quick")
struct BlobFileTests {
  private let bytes = Array(repeating: Array("0123456789 a piece of a blob\n".utf8), count: 30_000).flatMap {
    $0
  }

  private func withFile(_ body: (FileDescriptor, FilePath) throws -> Void) throws {
    try withTemporaryDirectory { directory in
      let path = directory.appending("blob")
      let file = try FileDescriptor.open(
        path, .readWrite, options: [.create, .closeOnExec], permissions: [.ownerReadWrite])
      defer { try? file.close() }
      try body(file, path)
    }
  }

  private func write(_ range: Range<Int>, to file: BlobFile) throws {
    try bytes[range].withUnsafeBytes { try file.write($0) }
  }

  /// O_DIRECT, of which Glibc's module knows nothing.
  #if arch(x86_64)
    private let directFlag: CInt = 0o40000
  #else
    private let directFlag: CInt = 0o200000
  #endif

  private func bypassesCache(_ file: FileDescriptor) -> Bool {
    fcntl(file.rawValue, F_GETFL) & directFlag != 0
  }

  /// Whether the file system takes a piece past its cache at this place, asked of another file there.
  private func takesDirectly(beside path: FilePath, at offset: Int64 = 0) throws -> Bool {
    let other = path.removingLastComponent().appending("other")
    let file = try FileDescriptor.open(
      other, .readWrite, options: [.create, .closeOnExec], permissions: [.ownerReadWrite])
    defer { try? file.close() }
    guard fcntl(file.rawValue, F_SETFL, directFlag) == 0 else { return false }
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: BlobFile.pieceSize, alignment: 4096)
    defer { piece.deallocate() }
    piece.initializeMemory(as: UInt8.self, repeating: 0)
    do {
      try file.writeFully(UnsafeRawBufferPointer(piece), at: offset)
      return true
    } catch {
      #expect(error.errno == .invalidArgument)
      return false
    }
  }

  @Test("whole pieces pass the cache where the file system can, and the last bytes go by it")
  func direct() throws {
    try withFile { file, path in
      let blob = BlobFile(file, bypassesCache: true, patience: .seconds(1000))
      try write(0..<BlobFile.pieceSize - 1, to: blob)
      #expect(!bypassesCache(file))
      try write(BlobFile.pieceSize - 1..<600_000, to: blob)
      #expect(try bypassesCache(file) == takesDirectly(beside: path))
      try blob.flush()
      #expect(!bypassesCache(file))
      #expect(try path.readAll() == Array(bytes[..<600_000]))
      #expect(blob.finish() == Digest(of: bytes[..<600_000]))
    }
  }

  @Test("what is read next stays in the cache")
  func cached() throws {
    try withFile { file, path in
      let blob = BlobFile(file, bypassesCache: false)
      try write(0..<600_000, to: blob)
      #expect(!bypassesCache(file))
      try blob.flush()
      #expect(try path.readAll() == Array(bytes[..<600_000]))
    }
  }

  @Test("what the file system does not take past its cache goes by it")
  func unaligned() throws {
    try withFile { file, path in
      try bytes[..<3].withUnsafeBytes { try file.writeFully($0, at: 0) }
      let blob = BlobFile(file, bypassesCache: true, patience: .seconds(1000))
      var start = [UInt8](repeating: 0, count: 3)
      #expect(try start.withUnsafeMutableBytes { try blob.read(into: $0) } == 3)
      try write(3..<300_000, to: blob)
      #expect(try bypassesCache(file) == takesDirectly(beside: path, at: 3))
      try write(300_000..<800_000, to: blob)
      try blob.flush()
      #expect(try path.readAll() == Array(bytes[..<800_000]))
      #expect(blob.finish() == Digest(of: bytes[..<800_000]))
    }
  }

  @Test("where the disk keeps the writer waiting, the rest goes by the cache")
  func slow() throws {
    try withFile { file, path in
      // No disk is quick enough.
      let blob = BlobFile(file, bypassesCache: true, patience: .nanoseconds(-1))
      try write(0..<BlobFile.pieceSize, to: blob)
      #expect(!bypassesCache(file))
      try write(BlobFile.pieceSize..<800_000, to: blob)
      #expect(!bypassesCache(file))
      try blob.flush()
      #expect(try path.readAll() == Array(bytes[..<800_000]))
    }
  }

  /// - Parameter room: made before the blob is given up, in bytes.
  @Test(
    "what is left after a full disk is the blob's beginning, whether there is room again or not",
    .requires(.mount), arguments: [true, false])
  func full(isRoomMade: Bool) async throws {
    // The second piece finds room for a part of itself.
    try await withSmallFileSystem(bytes: 768 << 10) { directory in
      let filler = directory.appending("filler")
      let store = try ContentStore(root: directory.appending("store"))
      let digest = Digest(of: bytes)
      let writer = try store.ingest(expected: digest, size: Int64(bytes.count))
      try filler.write([UInt8](repeating: 0, count: 384 << 10))
      let error = #expect(throws: EngineError.self) {
        try bytes.withUnsafeBytes { try writer.write(UnsafeRawBufferPointer(rebasing: $0[..<300_000])) }
        try bytes.withUnsafeBytes { try writer.write(UnsafeRawBufferPointer(rebasing: $0[300_000...])) }
      }
      #expect(error?.kind == .noSpace)
      if isRoomMade { try removeFile(filler) }
      writer.suspend()

      let next = try store.ingest(expected: digest, size: Int64(bytes.count))
      #expect(next.leftover == (isRoomMade ? 2 : 1) * Int64(BlobFile.pieceSize))
      var left: [UInt8] = []
      try next.resume { left += $0 }
      #expect(left == Array(bytes[..<left.count]))
    }
  }
}
