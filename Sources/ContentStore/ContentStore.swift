package import EngineErrors
import LinuxSystem
package import OCIModel
package import SystemPackage

/// Blobs by their digest, as files below `blobs/sha256`: each is there whole and verified, or not at all.
///
/// The file system is the only record: a blob is in the store when its file has its name. Any number of
/// processes use one store at once.
package struct ContentStore: Sendable {
  private let root: FilePath
  private let blobs: FilePath
  let partials: FilePath

  /// Opens a store, made where it is missing, mode 0700.
  package init(root: FilePath) throws(EngineError) {
    self.root = root
    blobs = root.appending("blobs").appending("sha256")
    partials = root.appending("ingest")
    do {
      try makeDirectories(blobs, mode: 0o700)
      try makeDirectories(partials, mode: 0o700)
    } catch {
      throw EngineError("open the content store", error, subject: root.string)
    }
  }

  package func path(of digest: Digest) -> FilePath { blobs.appending(digest.hex) }

  package func contains(_ digest: Digest) -> Bool { fileExists(path(of: digest)) }

  /// In bytes.
  ///
  /// - Throws: `notFound`.
  package func size(of digest: Digest) throws(EngineError) -> Int64 {
    do { return try fileSize(path(of: digest)) } catch { throw missing(digest, error) }
  }

  /// Reads a small blob and verifies it once more.
  ///
  /// - Parameter limit: the most it may have, in bytes.
  /// - Throws: `notFound`; `corrupt` for one that is too large or is not what its digest says.
  package func read(_ digest: Digest, limit: Int) throws(EngineError) -> [UInt8] {
    let size = try size(of: digest)
    guard size <= limit else {
      throw EngineError(
        .corrupt, "cannot read blob \(digest.short): it has \(size) bytes", subject: "\(digest)",
        causes: ["at most \(limit) bytes are read"])
    }
    let bytes: [UInt8]
    do {
      let file = try FileDescriptor.open(path(of: digest), .readOnly, options: .closeOnExec)
      bytes = try file.closeAfter {
        try [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
          let raw = UnsafeMutableRawBufferPointer(buffer)
          while count < raw.count {
            let read = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: raw[count...]))
            if read == 0 { break }
            count += read
          }
        }
      }
    } catch {
      throw EngineError("read blob \(digest.short)", wrapping: error, subject: "\(digest)")
    }
    guard Digest(of: bytes) == digest else {
      throw EngineError(
        .corrupt, "blob \(digest.short) is not what its digest says", subject: "\(digest)",
        hint: "the disk has damaged it; verify the image, then pull it again")
    }
    return bytes
  }

  /// All blobs.
  package func list() throws(EngineError) -> [Digest] {
    do {
      return try directoryEntries(blobs).compactMap { Digest(hex: $0) }
    } catch {
      throw EngineError("list the blobs", error)
    }
  }

  /// Removes a blob; one that is not there is as good as removed.
  package func remove(_ digest: Digest) throws(EngineError) {
    do { try removeFile(path(of: digest)) } catch { throw EngineError("remove blob \(digest.short)", error) }
  }

  /// Keeps bytes that are all in memory; as durable as `BlobWriter.commit`. A file of that name that the disk has damaged is
  /// replaced.
  ///
  /// - Returns: their digest.
  @discardableResult
  package func put(bytes: [UInt8]) throws(EngineError) -> Digest {
    let digest = Digest(of: bytes)
    if (try? read(digest, limit: bytes.count)) != nil { return digest }
    // Without a name of its own to wait for: whoever keeps the same bytes at the same time does no harm.
    let writer = try ingest(expected: nil, size: Int64(bytes.count))
    do {
      try bytes.withUnsafeBytes { try writer.write($0) }
    } catch {
      writer.abandon()
      throw EngineError("keep blob \(digest.short)", wrapping: error)
    }
    return try writer.commit()
  }

  /// Begins to take in a blob. Whoever may not be alone with it holds its ingest lock.
  ///
  /// - Parameters:
  ///   - expected: nil for a blob whose digest will only be known when it is whole.
  ///   - size: in bytes, where it is known.
  package func ingest(expected: Digest?, size: Int64?) throws(EngineError) -> BlobWriter {
    try BlobWriter(store: self, expected: expected, size: size)
  }

  /// For a piece of work that is about to add to the store, and is to be durable at its end.
  package func beginWriteback() throws(EngineError) -> Writeback { try Writeback(root: root) }

  private func missing(_ digest: Digest, _ error: SystemError) -> EngineError {
    guard error.errno == .noSuchFileOrDirectory else {
      return EngineError("read blob \(digest.short)", error)
    }
    return EngineError(
      .notFound, "blob \(digest.short) is not in the store", subject: "\(digest)",
      hint: "it was damaged, or lost, and is no more; pull the image again")
  }
}
