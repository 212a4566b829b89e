package import EngineErrors
import LinuxSystem
package import OCIModel
import Synchronization
import SystemPackage

/// A blob on its way into the store: hashed by it or by who unpacks the same bytes, and renamed to its digest when it is whole
/// (invariant 2).
///
/// Written by one thread at a time; `bytesWritten`, `abandon` and `suspend` may be called from any. One that is dropped
/// without a commit leaves nothing.
package final class BlobWriter: Sendable {
  private let store: ContentStore
  private let expected: Digest?
  private let size: Int64?
  private let path: FilePath
  private let written = Atomic<Int64>(0)
  /// What an earlier writer of the same blob has left, in bytes, for `resume` to take over.
  package let leftover: Int64

  private let open: Mutex<BlobFile?>

  init(store: ContentStore, expected: Digest?, size: Int64?) throws(EngineError) {
    self.store = store
    self.expected = expected
    self.size = size
    let name = expected?.hex ?? "new-\(UInt64.random(in: .min ... .max))"
    path = store.partials.appending("\(name).partial")
    do {
      let file = try FileDescriptor.open(
        path, .readWrite, options: [.create, .closeOnExec, .noFollow], permissions: [.ownerReadWrite])
      do {
        let found = try file.seek(offset: 0, from: .end)
        leftover = found <= size ?? 0 ? found : 0
        if leftover < found { try file.setLength(0) }
        try file.seek(offset: 0, from: .start)
      } catch {
        try? file.close()
        throw error
      }
      // One that was asked for comes from elsewhere, and is unpacked on the way. Others are read next: unpacked, or pushed.
      open = Mutex(BlobFile(file, bypassesCache: expected != nil))
    } catch {
      throw EngineError("begin blob \(expected?.short ?? "")", wrapping: error, subject: path.string)
    }
  }

  deinit { abandon() }

  package var bytesWritten: Int64 { written.load(ordering: .relaxed) }

  /// Leaves the hashing to who follows the bytes and gives their digest to `commit`. Before the first byte.
  package func leaveHashing() { open.withLock { $0?.leaveHashing() } }

  /// Takes over what there is of the blob already: hashes it, and passes it on to who follows the bytes. Before the first
  /// `write`, whose bytes come after it; without this call they come in its place.
  ///
  /// - Throws: what `body` throws.
  package func resume(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    defer { buffer.deallocate() }
    while bytesWritten < leftover {
      let count = try open.withLock { open -> Int in
        guard let file = open else { throw EngineError.cancelled("taking in a blob") }
        let most = Int(min(Int64(buffer.count), leftover - bytesWritten))
        let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<most]))
        guard count > 0 else { throw SystemError("read", .ioError, on: path.string) }
        written.add(Int64(count), ordering: .relaxed)
        return count
      }
      try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }

  /// - Throws: `noSpace`; `corrupt` as soon as there are more bytes than the blob should have; `cancelled` after
  ///   `abandon`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(EngineError) {
    do {
      try open.withLock { open in
        guard let file = open else { throw EngineError.cancelled("taking in a blob") }
        let total = written.load(ordering: .relaxed) + Int64(bytes.count)
        if let size, total > size { throw wrongSize("more than") }
        try file.write(bytes)
        written.store(total, ordering: .relaxed)
      }
    } catch {
      throw EngineError(
        "write blob \(expected?.short ?? "")", wrapping: error, subject: expected?.description)
    }
  }

  /// Verifies the blob and gives it its name. Always closes the writer, also when it throws. Does not wait for the disk:
  /// the caller syncs the store before anything else names the blob.
  ///
  /// - Parameter hashed: the digest of all bytes, after `leaveHashing`.
  /// - Throws: `digestMismatch`, `corrupt` for a wrong size; nothing is left then.
  @discardableResult
  package func commit(hashed: Digest? = nil) throws(EngineError) -> Digest {
    guard let file = takeFile() else { throw .cancelled("taking in a blob") }
    do {
      defer { file.close() }
      if let size, bytesWritten != size { throw wrongSize("less than") }
      try file.flush()
      // Where less was written over it than an earlier writer had left.
      if leftover > bytesWritten { try file.setLength(bytesWritten) }
      let digest = hashed ?? file.finish()
      if let expected { try digest.require(expected) }
      Failpoint.blobWritten.pass()
      try LinuxSystem.rename(path, to: store.path(of: digest))
      Failpoint.blobRenamed.pass()
      return digest
    } catch {
      try? removeFile(path)
      throw EngineError("keep blob \(expected?.short ?? "")", wrapping: error, subject: expected?.description)
    }
  }

  /// Gives the blob up and leaves what there is of it, if anything, for a later writer. After `commit` it does nothing.
  package func suspend() {
    guard expected != nil, max(bytesWritten, leftover) > 0 else { return abandon() }
    guard let file = takeFile() else { return }
    defer { file.close() }
    do {
      try file.flush()
    } catch {
      // What a write that failed has left of itself is nothing to go on from.
      do { try file.setLength(file.position) } catch { try? removeFile(path) }
    }
  }

  /// Gives the blob up and removes what there is of it. After `commit` it does nothing.
  package func abandon() {
    guard let file = takeFile() else { return }
    file.close()
    try? removeFile(path)
  }

  private func takeFile() -> BlobFile? {
    open.withLock { open in
      defer { open = nil }
      return open
    }
  }

  private func wrongSize(_ how: String) -> EngineError {
    EngineError(
      .corrupt, "the blob has \(how) the \(size ?? 0) bytes that it should have",
      subject: expected?.description,
      hint: "what was sent is not what was asked for; try again, or ask whoever runs the registry",
      retriable: true)
  }
}

extension Digest {
  /// Compares what came of a blob with what was asked for.
  ///
  /// - Throws: `digestMismatch`.
  package func require(_ expected: Digest) throws(EngineError) {
    guard self != expected else { return }
    throw EngineError(
      .digestMismatch, "the blob is \(short) and not \(expected.short)", subject: "\(expected)",
      hint: "what was sent is not what was asked for; try again, or ask whoever runs the registry")
  }
}
