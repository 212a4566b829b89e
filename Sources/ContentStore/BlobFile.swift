import LinuxSystem
import OCIModel
import SystemPackage

/// The file of a blob that grows, hashed as it does.
///
/// Bytes are gathered into large pieces. Those of a blob that nobody reads soon go to the disk past the page cache, where the file
/// system can: the cache takes several times as much of the processor, and room from what is read. Where the disk takes long for
/// each, the rest goes by the cache, which has many of them under way at once.
///
/// `@unchecked Sendable`: it is used under the lock of its writer alone, or by who has taken it out of there.
final class BlobFile: @unchecked Sendable {
  /// A blob's last bytes that are in no whole piece yet are in memory only.
  static let pieceSize = 256 << 10
  /// What a piece may take past the cache; who writes waits for it.
  private static let pace = Duration.milliseconds(4)
  /// Bytes in the cache after which the kernel is asked to begin writing, so that the sync at the end is short.
  private static let writebackStep: Int64 = 8 << 20

  private let file: FileDescriptor
  // No file system wants memory that is aligned to more, or it gets by the cache what it does not take past it.
  private let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 4096)
  private var filled = 0
  private var hasher: SHA256? = SHA256()
  /// Of the file, where the piece will go. All before it is written.
  private(set) var position: Int64 = 0
  private var writebackFrom: Int64 = 0
  /// Nil before the first whole piece of a blob that is to bypass the cache.
  private var isDirect: Bool?
  private let patience: Duration
  /// By how much the last pieces together were slower than the pace.
  private var delay = Duration.zero

  /// - Parameters:
  ///   - file: at its beginning; closed by `close`.
  ///   - patience: how far the disk may fall behind before the cache is used after all.
  init(_ file: FileDescriptor, bypassesCache: Bool, patience: Duration = .milliseconds(100)) {
    self.file = file
    self.patience = patience
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

  /// Writes what is gathered. Where that fails midway, `position` stays, and the next try begins there again.
  func flush() throws {
    let bytes = UnsafeRawBufferPointer(rebasing: piece[..<filled])
    let isWritten = try writeDirectly(bytes)
    if !isWritten { try file.writeFully(bytes, at: position) }
    position += Int64(filled)
    filled = 0
    if isWritten {
      writebackFrom = position
    } else if position - writebackFrom >= Self.writebackStep {
      file.startWriteback(offset: writebackFrom, length: position - writebackFrom)
      writebackFrom = position
    }
  }

  /// - Returns: false where the bytes are to go by the cache.
  private func writeDirectly(_ bytes: UnsafeRawBufferPointer) throws -> Bool {
    let isWhole = bytes.count == Self.pieceSize
    if isDirect == nil, isWhole { isDirect = (try? file.bypassCache(true)) != nil }
    guard isDirect == true else { return false }
    let isWritten = try isWhole && takesDirectly(bytes)
    if isWritten, delay <= patience { return true }
    try file.bypassCache(false)
    isDirect = false
    return isWritten
  }

  /// - Returns: false where the file system does not take it, as after an odd number of bytes of an earlier writer.
  private func takesDirectly(_ bytes: UnsafeRawBufferPointer) throws -> Bool {
    let began = ContinuousClock.now
    do {
      try file.writeFully(bytes, at: position)
    } catch {
      guard error.errno == .invalidArgument else { throw error }
      return false
    }
    delay = max(.zero, delay + (.now - began) - Self.pace)
    return true
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
