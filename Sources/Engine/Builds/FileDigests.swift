import EngineErrors
import Foundation
import LinuxSystem
import OCIModel
import Synchronization
import SystemPackage

/// The digests of files as they were last read, by what tells a changed file from an unchanged one: a context that was built
/// before is looked at, and not read.
final class FileDigests: Sendable {
  private struct Mark: Hashable {
    var identity: FileIdentity
    var size: Int64
    var modified: FileTime
    var changed: FileTime

    init(_ status: FileStatus) {
      identity = status.identity
      size = status.size
      modified = status.modified
      changed = status.changed
    }

    init(_ words: [Int64]) {
      identity = FileIdentity(device: UInt64(bitPattern: words[0]), inode: UInt64(bitPattern: words[1]))
      size = words[2]
      modified = FileTime(seconds: words[3], nanoseconds: words[4])
      changed = FileTime(seconds: words[5], nanoseconds: words[6])
    }

    var words: [Int64] {
      [
        Int64(bitPattern: identity.device), Int64(bitPattern: identity.inode), size, modified.seconds,
        modified.nanoseconds, changed.seconds, changed.nanoseconds,
      ]
    }
  }

  private struct State {
    var known: [Mark: [UInt8]] = [:]
    var used: [Mark: [UInt8]] = [:]
    var isChanged = false
  }

  private let file: FilePath?
  private let state = Mutex(State())
  private static let wordCount = 7
  private static let recordSize = 7 * 8 + 32

  /// - Parameter file: where they are kept; nil keeps them in memory. A damaged one is as good as none.
  init(_ file: FilePath?) {
    self.file = file
    guard let file, let bytes = FileManager.default.contents(atPath: file.string),
      bytes.count % Self.recordSize == 0
    else { return }
    state.withLock { state in
      state.known.reserveCapacity(bytes.count / Self.recordSize)
      bytes.withUnsafeBytes { buffer in
        for start in stride(from: 0, to: buffer.count, by: Self.recordSize) {
          let words = (0..<Self.wordCount).map {
            buffer.loadUnaligned(fromByteOffset: start + $0 * 8, as: Int64.self)
          }
          let digest = buffer[(start + Self.wordCount * 8)..<(start + Self.recordSize)]
          state.known[Mark(words)] = Array(digest)
        }
      }
    }
  }

  /// The SHA-256 of a regular file that was read before, in hexadecimal.
  func known(_ status: FileStatus) -> String? {
    let mark = Mark(status)
    return state.withLock { state -> [UInt8]? in
      guard let known = state.known[mark] else { return nil }
      state.used[mark] = known
      return known
    }.map(Self.hex)
  }

  /// The SHA-256 of a regular file's content, in hexadecimal.
  func digest(
    _ name: [CChar], in directory: FileDescriptor, _ status: FileStatus, _ isCancelled: () -> Bool
  ) throws -> String {
    let mark = Mark(status)
    let digest = try Self.read(name, in: directory, isCancelled)
    let raw = Self.raw(digest)
    // A file that was changed just now may be changed again without its times telling.
    if status.changed.seconds < Timestamp.now / 1_000_000_000 - 1 {
      state.withLock { state in
        state.known[mark] = raw
        state.used[mark] = raw
        state.isChanged = true
      }
    }
    return digest.hex
  }

  private static func read(
    _ name: [CChar], in directory: FileDescriptor, _ isCancelled: () -> Bool
  ) throws -> Digest {
    let file = try directory.openFileBeneath(name)
    var hasher = SHA256()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 64)
    defer { buffer.deallocate() }
    while true {
      if isCancelled() { throw EngineError.cancelled("reading files") }
      let count = try file.descriptor.read(into: buffer)
      if count == 0 { return hasher.finish() }
      hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }

  /// Keeps those that were of use. On a full disk they are found anew the next time.
  func save() {
    guard let file else { return }
    let records = state.withLock { $0.isChanged || $0.used.count != $0.known.count ? $0.used : [:] }
    guard !records.isEmpty else { return }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(records.count * Self.recordSize)
    for (mark, digest) in records {
      for word in mark.words { withUnsafeBytes(of: word) { bytes += $0 } }
      bytes += digest
    }
    try? replaceFile(file, bytes)
  }

  private static func raw(_ digest: Digest) -> [UInt8] {
    let digits = Array(digest.hex.utf8)
    return stride(from: 0, to: digits.count - 1, by: 2).map { value(digits[$0]) << 4 | value(digits[$0 + 1]) }
  }

  private static func value(_ digit: UInt8) -> UInt8 { digit < 58 ? digit - 48 : digit - 87 }

  private static func hex(_ bytes: [UInt8]) -> String {
    func digit(_ value: UInt8) -> UInt8 { value < 10 ? value + 48 : value + 87 }
    return String(unsafeUninitializedCapacity: bytes.count * 2) { text in
      for (index, byte) in bytes.enumerated() {
        text.initializeElement(at: index * 2, to: digit(byte >> 4))
        text.initializeElement(at: index * 2 + 1, to: digit(byte & 15))
      }
      return bytes.count * 2
    }
  }
}
