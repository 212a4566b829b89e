/// Inputs made out of good ones: bytes flipped, numbers replaced, parts cut out, doubled, and put in from others.
struct Mutation {
  private let good: [[UInt8]]
  private var random: SplitMix

  /// - Parameters:
  ///   - good: inputs, at least one.
  ///   - seed: the same one gives the same mutations.
  init(_ good: [[UInt8]], seed: UInt64) {
    self.good = good
    random = SplitMix(state: seed)
  }

  mutating func next() -> [UInt8] {
    var input = good[Int.random(in: 0..<good.count, using: &random)]
    for _ in 0..<Int.random(in: 1...8, using: &random) where !input.isEmpty { change(&input) }
    return input
  }

  private mutating func change(_ input: inout [UInt8]) {
    let place = Int.random(in: 0..<input.count, using: &random)
    let part = place..<min(input.count, place + Int.random(in: 1...600, using: &random))
    switch Int.random(in: 0..<7, using: &random) {
    case 0: input[place] = UInt8.random(in: 0...255, using: &random)
    case 1: input[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 2: input.removeSubrange(part)
    case 3: input.insert(contentsOf: input[part], at: place)
    case 4:
      let digits = [
        "-1", "0", "99999999999999999999", "9223372036854775807", "777777777777", "../", "/", "\u{0}",
      ]
      input.replaceSubrange(
        place..<min(input.count, place + digits[0].count),
        with: (digits.randomElement(using: &random) ?? "").utf8)
    case 5:
      let other = good[Int.random(in: 0..<good.count, using: &random)]
      guard !other.isEmpty else { return }
      let from = Int.random(in: 0..<other.count, using: &random)
      input.replaceSubrange(part, with: other[from..<min(other.count, from + part.count)])
    default: input.removeSubrange(place...)
    }
    if Bool.random(using: &random) { mendChecksum(&input, at: place) }
  }

  /// A tar header of which the checksum is wrong is refused at once, which tests little.
  private func mendChecksum(_ input: inout [UInt8], at place: Int) {
    let start = place / 512 * 512
    guard input.count >= start + 512, input[(start + 257)..<(start + 262)].elementsEqual("ustar".utf8) else {
      return
    }
    for index in 148..<156 { input[start + index] = UInt8(ascii: " ") }
    let sum = input[start..<(start + 512)].reduce(0) { $0 + Int($1) }
    let digits = String(sum, radix: 8)
    let text = String(repeating: "0", count: 6 - digits.count) + digits + "\u{0}"
    for (index, byte) in text.utf8.enumerated() { input[start + 148 + index] = byte }
  }
}

/// Steele, Lea and Flood: Fast splittable pseudorandom number generators.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
