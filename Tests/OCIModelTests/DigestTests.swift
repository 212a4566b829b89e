import EngineErrors
import FoundationEssentials
import OCIModel
import Testing

@Suite struct DigestTests {
  /// FIPS 180-4's examples.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
  ])
  func isSHA256(text: String, hex: String) {
    #expect(Digest(of: text.utf8).hex == hex)
    #expect(Digest(of: text.utf8).description == "sha256:" + hex)
  }

  @Test func isTheSameInPieces() {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    var hasher = SHA256()
    for start in stride(from: 0, to: 1000, by: 77) {
      bytes[start..<min(start + 77, 1000)].withUnsafeBytes { hasher.update($0) }
    }
    #expect(hasher.finish() == Digest(of: bytes))
  }

  /// Pieces that end in mid-block go the way of processors without the instructions.
  @Test("two at once are what each is alone, whatever their pieces", arguments: [64, 128, 77, 4096])
  func twoAtOnce(step: Int) {
    let one = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let other = (0..<7000).map { UInt8(truncatingIfNeeded: $0 &* 17 &+ 5) }
    // The second one's pieces are longer at first, and then there are none left.
    for otherStep in [step, step * 3, 1] {
      var hasher = SHA256()
      var otherHasher = SHA256()
      var otherStart = 0
      for start in stride(from: 0, to: one.count, by: step) {
        let otherEnd = min(otherStart + otherStep, other.count)
        one[start..<min(start + step, one.count)].withUnsafeBytes { bytes in
          other[otherStart..<otherEnd].withUnsafeBytes { SHA256.update(&hasher, bytes, &otherHasher, $0) }
        }
        otherStart = otherEnd
      }
      #expect(hasher.finish() == Digest(of: one))
      #expect(otherHasher.finish() == Digest(of: other[..<otherStart]))
    }
  }

  @Test("the length of one of two at once has more than 32 bits")
  func long() {
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    zeros.withUnsafeBytes { zeros in
      let part = UnsafeRawBufferPointer(rebasing: zeros[..<6400])
      // 2^32 bits are 512 MiB: the two at once pass that.
      var long = SHA256()
      var alone = SHA256()
      for _ in 0..<511 {
        long.update(zeros)
        alone.update(zeros)
      }
      let most = UnsafeRawBufferPointer(rebasing: zeros[..<(zeros.count - 64)])
      long.update(most)
      alone.update(most)
      var short = SHA256()
      SHA256.update(&long, part, &short, part)
      alone.update(part)
      let digests = [long.finish(), alone.finish(), short.finish()]
      #expect(digests == [digests[1], digests[1], Digest(of: part)])
    }
  }

  @Test(arguments: [
    "", "sha256:", "sha256:abc", "sha512:" + String(repeating: "a", count: 128),
    "sha256:" + String(repeating: "A", count: 64), "sha256:" + String(repeating: "g", count: 64),
    "SHA256:" + String(repeating: "a", count: 64), "sha256:" + String(repeating: "a", count: 65),
    "sha256:../../" + String(repeating: "a", count: 58), " sha256:" + String(repeating: "a", count: 64),
    "sha256:\u{301}" + String(repeating: "a", count: 62),
  ])
  func isRefusedInAnyOtherForm(text: String) {
    let error = #expect(throws: EngineError.self) { try Digest(text) }
    #expect(error?.kind == .invalidArgument)
  }

  @Test func isTextInJSON() throws {
    let digest = Digest(of: "abc".utf8)
    let encoded = try JSONEncoder().encode([digest])
    #expect(String(decoding: encoded, as: UTF8.self) == #"["\#(digest)"]"#)
    #expect(try JSONDecoder().decode([Digest].self, from: encoded) == [digest])
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([Digest].self, from: Data(#"["x"]"#.utf8))
    }
  }

  @Test func shortIsTwelveDigits() { #expect(Digest(of: "abc".utf8).short == "ba7816bf8f01") }
}
