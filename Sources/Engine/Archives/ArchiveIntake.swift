import ContentStore
import EngineErrors
import Layers
import LinuxSystem
import OCIModel
import Synchronization
import SystemPackage

/// What an archive or a layout of images holds, taken into the content store file by file as it comes.
///
/// Nothing of it is named before the images are; whoever takes it in removes `added` again where it comes to nothing.
final class ArchiveIntake: Sendable {
  /// A file of the archive, which is a blob now.
  struct Stored: Sendable {
    var digest: Digest
    /// In bytes.
    var size: Int64
  }

  /// What an archive may have of entries, and of bytes in their names.
  private static let entryLimit = 200_000
  private static let nameLimit = 32 << 20
  private static let documents: Set<String> = [
    ImageLayout.layoutFile, ImageLayout.indexFile, DockerArchiveImage.listFile,
  ]

  private struct State {
    var documents: [String: [UInt8]] = [:]
    var files: [String: Stored] = [:]
    var links: [String: String] = [:]
    var added: Set<Digest> = []
    var entries = 0
    var nameBytes = 0
  }
  private let state = Mutex(State())
  private let content: ContentStore
  /// Of a layout that is read as files are asked for.
  private let directory: FilePath?
  private let wasCancelled = Atomic(false)

  init(_ content: ContentStore, directory: FilePath? = nil) {
    self.content = content
    self.directory = directory
  }

  /// Makes whatever is being read, and all that is asked for later, throw `cancelled`.
  func cancel() { wasCancelled.store(true, ordering: .relaxed) }

  func checkCancellation() throws(EngineError) {
    if wasCancelled.load(ordering: .relaxed) { throw .cancelled("reading the archive") }
  }

  /// Blobs that were taken in.
  var added: Set<Digest> { state.withLock { $0.added } }

  /// Takes in the next entry of an archive.
  ///
  /// - Throws: `corrupt` for an archive of too many entries, for a document that is too large and for two files of one
  ///   name; `digestMismatch` for a blob that is not what its name says.
  func take(_ entry: ArchiveWalk.Entry) throws {
    try count(entry.path)
    switch entry.kind {
    case .other: return
    case .link(let target): state.withLock { $0.links[entry.path] = target }
    case .file:
      if Self.documents.contains(entry.path) {
        let bytes = try Self.document(entry.path, size: entry.size, entry.read)
        try state.withLock { state in
          guard state.documents.updateValue(bytes, forKey: entry.path) == nil else {
            throw Self.twice(entry.path)
          }
        }
      } else {
        try keep(try store(entry.path, size: entry.size, entry.read), as: entry.path)
      }
    }
  }

  /// A document of the archive; nil where it has none of that name.
  func document(_ name: String) throws -> [UInt8]? {
    if let bytes = state.withLock({ $0.documents[name] }) { return bytes }
    return try withFile(name) { file, size in try Self.document(name, size: size) { try read(file, $0) } }
  }

  /// The file that an entry is, or leads to.
  ///
  /// - Throws: `corrupt` where there is none.
  func file(_ name: String) throws -> Stored {
    // Names are compared as the archive's are: whatever would lead out is not there.
    let path = name.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    let found: Stored? = state.withLock { state in
      var path = path
      for _ in 0..<8 {
        if let stored = state.files[path] { return stored }
        guard let target = state.links[path] else { return nil }
        path = target
      }
      return nil
    }
    if let found { return found }
    if let stored = try withFile(path, { file, size in try store(path, size: size) { try read(file, $0) } }) {
      try keep(stored, as: path)
      return stored
    }
    throw EngineError(
      .corrupt, "the archive names a file that it does not have: \(name.prefix(200))",
      hint: "the archive is not complete; save it again")
  }

  /// The blob of a digest, from the archive or from the store.
  func blob(_ descriptor: Descriptor) throws -> Stored {
    let digest = descriptor.digest
    let stored: Stored
    if content.contains(digest) {
      stored = Stored(digest: digest, size: try content.size(of: digest))
    } else {
      stored = try file(ImageLayout.path(of: digest))
    }
    guard stored.size == descriptor.size else {
      throw EngineError(
        .corrupt,
        "blob \(digest.short) has \(stored.size) bytes, and the archive's documents say \(descriptor.size)",
        subject: "\(digest)", hint: "the archive is broken; save it again")
    }
    return stored
  }

  /// Takes in bytes that are no file of the archive.
  func write(_ make: (BlobWriter) throws -> Void) throws -> Stored { try ingest(size: nil, make) }

  // MARK: Taking in

  private func store(
    _ path: String, size: Int64, _ content: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws -> Stored {
    let prefix = "blobs/sha256/"
    guard path.hasPrefix(prefix) else {
      return try ingest(size: size) { writer in try content { try writer.write($0) } }
    }
    guard let expected = Digest(hex: path.dropFirst(prefix.count)) else {
      throw EngineError(
        .corrupt, "the archive has a blob whose name is no digest: \(path.prefix(200))",
        hint: "the archive is broken or hostile")
    }
    if self.content.contains(expected), try self.content.size(of: expected) == size {
      return Stored(digest: expected, size: size)
    }
    let stored = try ingest(size: size) { writer in try content { try writer.write($0) } }
    guard stored.digest == expected else {
      throw EngineError(
        .digestMismatch, "the archive's blob \(expected.short) is \(stored.digest.short)",
        subject: "\(expected)", hint: "the archive is damaged; save it again", retriable: false)
    }
    return stored
  }

  private func ingest(size: Int64?, _ make: (BlobWriter) throws -> Void) throws -> Stored {
    let writer = try content.ingest(expected: nil, size: size)
    do {
      try make(writer)
    } catch {
      writer.abandon()
      throw error
    }
    let count = writer.bytesWritten
    let digest = try writer.commit()
    state.withLock { _ = $0.added.insert(digest) }
    return Stored(digest: digest, size: count)
  }

  private func keep(_ stored: Stored, as path: String) throws {
    try state.withLock { state in
      if let other = state.files.updateValue(stored, forKey: path), other.digest != stored.digest {
        throw Self.twice(path)
      }
    }
  }

  private func count(_ path: String) throws {
    try state.withLock { state in
      state.entries += 1
      state.nameBytes += path.utf8.count
      guard state.entries <= Self.entryLimit, state.nameBytes <= Self.nameLimit else {
        throw EngineError(
          .corrupt, "the archive has more than \(Self.entryLimit) entries, or too long names for them",
          hint: "this is no archive of images")
      }
    }
  }

  private static func document(
    _ name: String, size: Int64, _ content: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws -> [UInt8] {
    guard size <= documentLimit else {
      throw EngineError(
        .corrupt, "the archive's \(name) has \(size) bytes", hint: "at most \(documentLimit) bytes are read")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(size))
    try content { bytes += $0 }
    return bytes
  }

  private static func twice(_ path: String) -> EngineError {
    EngineError(
      .corrupt, "the archive has two files of the name \(path.prefix(200))",
      hint: "the archive is broken or hostile")
  }

  // MARK: Directories

  /// Opens a regular file of the directory, and nothing outside of it: no link is followed. Nil where there is none.
  private func withFile<Result>(_ name: String, _ body: (FileDescriptor, Int64) throws -> Result) throws
    -> Result?
  {
    guard let directory else { return nil }
    let root = try openDirectory(directory)
    let file: OwnedDescriptor
    do throws(SystemError) {
      file = try root.descriptor.openFileBeneath(Array(name.utf8CString))
    } catch {
      guard error.errno == .noSuchFileOrDirectory else { throw error }
      return nil
    }
    let status = try file.descriptor.status()
    guard status.kind == .regular else { return nil }
    return try body(file.descriptor, status.size)
  }

  private func read(_ file: FileDescriptor, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    defer { buffer.deallocate() }
    while true {
      try checkCancellation()
      let count = try file.read(into: buffer)
      if count == 0 { return }
      try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }
}
