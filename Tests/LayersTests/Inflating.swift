import CZstd
import EngineErrors

@testable import Layers

/// What zstd's bytes unpack to. Each piece is read as late as a pipe of so many lets a reader: when no other is left to fill, so
/// that memory which is written again too early shows.
///
/// - Parameter split: how many bytes are handed over at once.
func decodeZstd(
  _ bytes: [UInt8], split: Int = 128 << 10, pieces: Int = 4, windowLog: Int32 = 27, checksItself: Bool = true
) throws(EngineError) -> [UInt8] {
  let decompressor = try ZstdDecompressor(
    windowLog: windowLog, checksItself: checksItself, pieces: pieces)
  var free = (1..<pieces).map { _ in BytePipe.Piece(size: 1) }
  var unread: [BytePipe.Piece] = []
  var piece = BytePipe.Piece(size: 1)
  var result: [UInt8] = []
  func read(_ piece: BytePipe.Piece) {
    result += piece.bytes
    piece.empty()
    free.append(piece)
  }
  var start = 0
  while start < bytes.count {
    let part = Array(bytes[start..<min(start + split, bytes.count)])
    start += part.count
    var taken = 0
    while true {
      let (consumed, produced) = try withBytes(part[taken...]) { input throws(EngineError) in
        try decompressor.run(input, into: piece)
      }
      taken += consumed
      if piece.count > 0, piece.room.isEmpty {
        unread.append(piece)
        if free.isEmpty { read(unread.removeFirst()) }
        piece = free.removeLast()
      } else if consumed == 0, produced == 0 {
        break
      }
    }
    guard taken == part.count else { throw EngineError(.internal, "input was left") }
  }
  try decompressor.finish()
  for piece in unread + [piece] { read(piece) }
  return result
}

/// What libzstd's own streams make of the same; nil for what they refuse.
func referenceDecode(_ bytes: [UInt8]) -> [UInt8]? {
  guard let stream = ZSTD_createDStream() else { return nil }
  defer { ZSTD_freeDStream(stream) }
  var room = [UInt8](repeating: 0, count: 64 << 10)
  var result: [UInt8] = []
  var (position, last) = (0, 0)
  while true {
    let (produced, consumed) = withBytes(bytes[...]) { input in
      room.withUnsafeMutableBytes { output in
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: position)
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let hint = ZSTD_decompressStream(stream, &target, &source)
        defer { position = source.pos }
        if source.pos > position || target.pos > 0 || ZSTD_isError(hint) != 0 { last = hint }
        return (target.pos, source.pos - position)
      }
    }
    result += room[..<produced]
    if ZSTD_isError(last) != 0 { return nil }
    if produced == 0, consumed == 0 { break }
  }
  return last == 0 && position == bytes.count ? result : nil
}

private func withBytes<Result, Failure: Error>(
  _ bytes: ArraySlice<UInt8>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
  // The library's closures do not say what they throw.
  let outcome: Swift.Result<Result, Failure> = bytes.withUnsafeBytes { buffer in
    do throws(Failure) { return .success(try body(buffer)) } catch { return .failure(error) }
  }
  return try outcome.get()
}

/// Numbers that look random and are the same in each run (SplitMix64).
struct Seeded: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Bytes of which many repeat earlier ones, near and as far back as two megabytes.
  mutating func compressible(_ count: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count + (64 << 10))
    while result.count < count {
      let length = Int.random(in: 1...(40 << 10), using: &self)
      // Powers of two are windows: a match at just that distance, and around it.
      let distance =
        (1 << Int.random(in: 4...21, using: &self)) + Int.random(in: -2...2, using: &self)
      switch Int.random(in: 0..<10, using: &self) {
      case 0: result += [UInt8](repeating: UInt8.random(in: 0...255, using: &self), count: length)
      case 1, 2:
        for _ in 0..<length / 8 { withUnsafeBytes(of: next()) { result += $0 } }
      default:
        guard distance <= result.count else { continue }
        let start = result.count - distance
        result += Array(result[start..<min(start + length, result.count)])
        // So that matches end, and literals come between them.
        result.append(UInt8.random(in: 0...255, using: &self))
      }
    }
    return Array(result.prefix(count))
  }
}
