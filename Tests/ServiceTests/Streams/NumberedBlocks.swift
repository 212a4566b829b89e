import Glibc
import LinuxSystem
import RPCTransport
import SystemPackage
import TestSupport

/// What a container writes that prints one block of text over and over, each time behind its number: no two places are alike,
/// so that a byte which is lost, doubled or elsewhere shows.
struct NumberedBlocks: Sendable {
  /// Of one block with its number.
  static let size = 1 << 20
  private static let headSize = 9
  private let block: [UInt8]

  init() {
    let pieces = (0x20..<0x7F).map { [UInt8($0)] } + ["\n", "\t", "é", "€", "😀"].map { Array($0.utf8) }
    var (bytes, seed) = ([UInt8](), UInt32(1))
    let count = Self.size - Self.headSize
    bytes.reserveCapacity(count)
    while bytes.count < count - 4 {
      seed = seed &* 1_664_525 &+ 1_013_904_223
      bytes += pieces[Int(seed >> 16) % pieces.count]
    }
    block = bytes + Array(repeating: 0x0A, count: count - bytes.count)
  }

  /// Commands that put the block into an image, for `withBusybox` and others.
  func install(in store: TestStore) throws -> String {
    let file = store.directory.appending("block")
    try file.write(block)
    return "cp \(file) block"
  }

  /// A shell's commands that write so many.
  func script(_ count: Int) -> String {
    "i=0; while [ $i -lt \(count) ]; do printf '%08d\\n' $i; cat /block; i=$((i+1)); done"
  }

  /// Whether these bytes are what is written from `offset` on.
  func match(_ bytes: [UInt8], at offset: Int) -> Bool {
    bytes.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let (number, place) = (offset + done).quotientAndRemainder(dividingBy: Self.size)
        let digits = "\(number)"
        let head = Array(
          (String(repeating: "0", count: Self.headSize - 1 - digits.count) + digits + "\n").utf8)
        let (part, start) = place < Self.headSize ? (head, place) : (block, place - Self.headSize)
        let count = min(part.count - start, bytes.count - done)
        let isSame = part.withUnsafeBytes { part in
          // Element by element, a build for debugging would take seconds for it.
          guard let expected = part.baseAddress, let seen = bytes.baseAddress else { return false }
          return memcmp(expected + start, seen + done, count) == 0
        }
        if !isSame { return false }
        done += count
      }
      return true
    }
  }

  /// Reads a stream to its end, granting what comes.
  ///
  /// - Returns: how many bytes there were; nil where they are others than what is written from the beginning on.
  func read(_ stream: StreamReceiver) async -> Int? {
    var (count, isRight) = (0, true)
    for await chunk in stream.chunks {
      isRight = isRight && match(chunk, at: count)
      count += chunk.count
      stream.grant(chunk.count)
    }
    return isRight ? count : nil
  }
}
