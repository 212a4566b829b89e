import EngineErrors
import TestSupport
import Testing

@testable import Layers

@Suite("Zstd's frames")
struct ZstdTests {
  private func compressed(_ bytes: [UInt8], _ options: String) async throws -> [UInt8] {
    let result = try await ChildProcess.run(
      ["zstd", "-q", "-c"] + options.split(separator: " ").map(String.init), input: .bytes(bytes))
    #expect(result.succeeded, "\(result.errorText)")
    return result.stdout
  }

  /// A frame of our own making, without checksum.
  ///
  /// - Parameters:
  ///   - header: what follows the magic number.
  ///   - blocks: their types (0 raw, 1 of one byte, 2 compressed), what they say of their size, and their bytes.
  private func frame(_ header: [UInt8], _ blocks: [(type: Int, size: Int, bytes: [UInt8])]) -> [UInt8] {
    var result: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd] + header
    for (index, block) in blocks.enumerated() {
      let number = block.size << 3 | block.type << 1 | (index == blocks.count - 1 ? 1 : 0)
      result += [UInt8(number & 255), UInt8(number >> 8 & 255), UInt8(number >> 16 & 255)] + block.bytes
    }
    return result
  }

  private func skippable(_ size: UInt32, _ bytes: [UInt8]) -> [UInt8] {
    [0x5a, 0x2a, 0x4d, 0x18] + withUnsafeBytes(of: size.littleEndian) { Array($0) } + bytes
  }

  /// The window of one kibibyte, the size not told.
  private let small: [UInt8] = [0x00, 0x00]

  private func expectCorrupt(_ bytes: [UInt8], isTooLarge: Bool = false, windowLog: Int32 = 27) {
    let error = #expect(throws: EngineError.self) { try decodeZstd(bytes, windowLog: windowLog) }
    #expect(error?.kind == .corrupt, "\(error?.description ?? "")")
    #expect(error?.hint?.contains("--unpack-zstd-window") == isTooLarge, "\(error?.hint ?? "")")
  }

  @Test(
    "what has gone through windows of all sizes many times is what it was",
    arguments: [
      "-1", "-3", "-3 --long=21", "-9 -T2 --long=20", "-19 --zstd=wlog=18", "-1 --zstd=wlog=17",
      "-12 --zstd=wlog=20",
      "--fast=9 --no-check", "-3 --zstd=wlog=10", "-6 --zstd=wlog=16 --no-check", "-3 --stream-size=5000001",
      "-3 --stream-size=5000001 --zstd=wlog=17",
    ])
  func roundTrip(options: String) async throws {
    var random = Seeded(state: 1)
    let content = random.compressible(5_000_001)
    let frame = try await compressed(content, options)
    #expect(frame.count < content.count)
    for (split, pieces) in [(128 << 10, 4), (10_007, 1), (.max, 2)] {
      #expect(try decodeZstd(frame, split: split, pieces: pieces) == content)
    }
  }

  @Test("frames of other windows follow each other, with skippable ones around them")
  func manyFrames() async throws {
    var random = Seeded(state: 2)
    var (archive, content): ([UInt8], [UInt8]) = ([], [])
    for options in [
      "-3 --zstd=wlog=12", "-19", "-1 --long=24", "-3 --zstd=wlog=17", "-3 --stream-size=700000",
      "-5 --long=22",
    ] {
      let part = random.compressible(700_000)
      archive += try await compressed(part, options)
      archive += skippable(300_000, [UInt8](repeating: 0x28, count: 300_000)) + skippable(0, [])
      content += part
    }
    // As the archives have that can be read from any file on.
    for _ in 0..<40 {
      let part = random.compressible(3000)
      archive += try await compressed(part, "-3")
      content += part
    }
    for split in [100_000, 999, 7] {
      #expect(try decodeZstd(archive, split: split) == content)
      #expect(try decodeZstd(archive + skippable(5, [1, 2, 3, 4, 5]), split: split) == content)
    }
  }

  @Test("a skippable frame that has not come to its end is one that is cut off")
  func skippableCut() async throws {
    let whole = try await compressed(Array("text".utf8), "-3")
    let end = skippable(9, [UInt8](repeating: 7, count: 9))
    for count in 1..<end.count { expectCorrupt(whole + end[..<count]) }
    expectCorrupt(whole + skippable(.max, [UInt8](repeating: 7, count: 1000)))
    #expect(try decodeZstd(whole + end) == Array("text".utf8))
  }

  @Test("blocks of all kinds, handed over in parts of each size, and cut off at each byte")
  func everySplit() async throws {
    var random = Seeded(state: 3)
    let content = random.compressible(2000)
    let one = try await compressed(content, "-3")
    let other = frame(
      small, [(0, 3, [1, 2, 3]), (0, 0, []), (1, 1000, [9]), (1, 0, [9]), (0, 4, [5, 6, 7, 8])])
    let expected = content + [1, 2, 3] + [UInt8](repeating: 9, count: 1000) + [5, 6, 7, 8] + content
    let archive = one + skippable(20, [UInt8](repeating: 0, count: 20)) + other + one
    for split in 1...archive.count { #expect(try decodeZstd(archive, split: split) == expected) }
    for whole in [one, other] {
      for count in 1..<whole.count {
        expectCorrupt(Array(whole[..<count]))
        expectCorrupt(one + whole[..<count])
      }
    }
  }

  @Test("a checksum that is wrong is seen unless a digest says more")
  func checksums() async throws {
    var frame = try await compressed(Array("text".utf8), "-3 --check")
    #expect(try decodeZstd(frame) == Array("text".utf8))
    frame[frame.count - 1] ^= 1
    expectCorrupt(frame)
    #expect(try decodeZstd(frame, checksItself: false) == Array("text".utf8))
  }

  @Test("what a frame says of itself has to be so")
  func lies() {
    let (raw, one): ((Int, Int, [UInt8]), (Int, Int, [UInt8])) = ((0, 3, [1, 2, 3]), (1, 1024, [9]))
    #expect(throws: Never.self) { try decodeZstd(frame(small, [raw, one])) }
    // More in a block than the window has, also where it says so of one byte; and a kind that there is not.
    expectCorrupt(frame(small, [(1, 1025, [9])]))
    expectCorrupt(frame(small, [(1, (1 << 21) - 1, [9])]))
    expectCorrupt(frame(small, [(0, 1025, [UInt8](repeating: 1, count: 1025))]))
    expectCorrupt(frame(small, [(2, 1 << 20, [UInt8](repeating: 1, count: 300_000))]))
    expectCorrupt(frame(small, [(3, 3, [1, 2, 3])]))
    // Another size than the header says, in one segment; and a dictionary.
    #expect(throws: Never.self) { try decodeZstd(frame([0x20, 3], [raw])) }
    for said: UInt8 in [0, 2, 4] { expectCorrupt(frame([0x20, said], [raw])) }
    expectCorrupt(frame([0x20, 3], [raw] + [(Int, Int, [UInt8])](repeating: raw, count: 2_000_000)))
    expectCorrupt(frame([0x21, 1, 3], [raw]))
  }

  @Test("what is no frame does not follow one")
  func foreign() async throws {
    let one = try await compressed(Array("text".utf8), "-3")
    // Zstd's own of before its format was settled, LZ4's, zeroes as after gzip.
    for other: [UInt8] in [
      [0x27, 0xb5, 0x2f, 0xfd, 1, 2], [4, 0x22, 0x4d, 0x18, 5, 6], [0], .init(repeating: 0, count: 600),
    ] {
      expectCorrupt(one + other)
      expectCorrupt(one + other + one)
    }
  }

  @Test("a window is refused from the limit on, before it is memory")
  func windows() {
    let raw: [(Int, Int, [UInt8])] = [(0, 3, [1, 2, 3])]
    // The exponent above 10, and eighths.
    for (window, limit) in [(0, 10), (17 << 3, 27), (21 << 3, 31)] as [(UInt8, Int32)] {
      #expect(throws: Never.self) { try decodeZstd(frame([0, window], raw), windowLog: limit) }
      expectCorrupt(frame([0, window | 1], raw), isTooLarge: true, windowLog: limit)
      expectCorrupt(frame([0, 31 << 3 | 7], raw), isTooLarge: true, windowLog: limit)
    }
    // In one segment the size is the window.
    for size: [UInt8] in [[1, 0, 0, 8, 0, 0, 0, 0], [UInt8](repeating: 255, count: 8)] {
      expectCorrupt(frame([0xe0] + size, raw), isTooLarge: true)
    }
  }

  @Test("what was changed at random is taken and refused as libzstd's own streams do")
  func mutations() async throws {
    var random = Seeded(state: 4)
    let good = [
      try await compressed(random.compressible(30_000), "-3"),
      try await compressed(random.compressible(300), "-19"),
      try await compressed(random.compressible(3000), "-1 --stream-size=3000") + skippable(3, [1, 2, 3]),
      frame(small, [(0, 3, [1, 2, 3]), (1, 700, [9]), (0, 1, [4])]),
    ]
    var taken = 0
    for _ in 0..<3000 {
      var bytes = good.randomElement(using: &random) ?? []
      if Bool.random(using: &random) { bytes += good.randomElement(using: &random) ?? [] }
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        // Headers more often than what is between them.
        let place = Int.random(
          in: 0..<(Bool.random(using: &random) ? min(40, bytes.count) : bytes.count), using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        default: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
      }
      let split = Int.random(in: 1...200, using: &random)
      let result = try? decodeZstd(bytes, split: split)
      #expect(result == referenceDecode(bytes), "\(bytes.count) bytes in parts of \(split)")
      if result != nil { taken += 1 }
    }
    #expect(taken > 0)
  }
}
