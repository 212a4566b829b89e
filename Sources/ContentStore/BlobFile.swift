import LinuxSystem
import OCIModel
import SystemPackage

/// The file of a blob that grows, hashed as it does.
///
/// Bytes are gathered into large pieces. Those of a blob that nobody reads soon go to the disk past the page cache, where the file
/// system can: the cache takes several times as much of the processor, and room from what is read.
///
/// `@unchecked Sendable`: it is used under the lock of its writer alone, or by who has taken it out of there.
final class BlobFile: @unchecked Sendable {
  /// A blob's last bytes that are in no whole piece yet are in memory only.
  static let pieceSize = 256 << 10
  /// No file system's blocks are larger, or the cache is used after all.
  private static let blockSize = 4096
  /// Bytes in the cache after which the kernel is asked to begin writing, so that the sync at the end is short.
  private static let writebackStep: Int64 = 8 << 20

  private let file: FileDescriptor
  private let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: blockSize)
  private var filled = 0
  private var hasher: SHA256? = SHA256()
  /// Of the file, where the piece will go.
  private var position: Int64 = 0
  private var writebackFrom: Int64 = 0
  /// Nil before the first whole piece of a blob that is to bypass the cache.
  private var isDirect: Bool?

  /// - Parameter file: at its beginning; closed by `close`.
  init(_ file: FileDescriptor, bypassesCache: Bool) {
    self.file = file
    isDirect = bypassesCache ? nil : false
  }

  deinit { piece.deallocate() }

  /// Hashes the next bytes that are in the file already; before the first `write`.
  ///
  /// - Returns: how many there were.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = try file.read(into: buffer)
    hasher?.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    position += Int64(count)
    writebackFrom = position
    return count
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    hasher?.update(bytes)
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.pieceSize - filled))
      UnsafeMutableRawBufferPointer(rebasing: piece[filled...]).copyMemory(from: part)
      filled += part.count
      rest = rest.dropFirst(part.count)
      if filled == Self.pieceSize { try flush() }
    }
  }

  /// Writes what is gathered.
  func flush() throws {
    let bytes = UnsafeRawBufferPointer(rebasing: piece[..<filled])
    if try !writeDirectly(bytes) { try file.writeFully(bytes) }
    position += Int64(filled)
    filled = 0
    if isDirect != true, position - writebackFrom >= Self.writebackStep {
      file.startWriteback(offset: writebackFrom, length: position - writebackFrom)
      writebackFrom = position
    }
  }

  /// - Returns: false where the bytes are to go by the cache, from the file's position on.
  private func writeDirectly(_ bytes: UnsafeRawBufferPointer) throws -> Bool {
    let isWhole = bytes.count == Self.pieceSize
    if isDirect == nil, isWhole {
      isDirect = position.isMultiple(of: Int64(Self.blockSize)) && (try? file.bypassCache(true)) != nil
    }
    guard isDirect == true else { return false }
    if isWhole {
      do {
        try file.writeFully(bytes)
        return true
      } catch {
        guard error.errno == .invalidArgument else { throw error }
        try file.seek(offset: position, from: .start)
      }
    }
    try file.bypassCache(false)
    isDirect = false
    return false
  }

  /// Cuts off what follows the bytes that were written.
  func setLength(_ length: Int64) throws { try file.setLength(length) }

  /// Hashes nothing; before the first byte.
  func leaveHashing() { hasher = nil }

  /// The digest of all bytes; no more are taken after it.
  func finish() -> Digest {
    let finished = hasher.take()
    return (finished ?? SHA256()).finish()
  }

  func close() { try? file.close() }
}
