import RPCModel

/// The keys that leave a container to itself, looked for in what is typed.
struct DetachKeys: Sendable {
  static let standard = "ctrl-p,ctrl-q"
  private let keys: [UInt8]
  /// How many of them were typed last.
  private var typed = 0

  /// - Parameter text: keys with commas between them, each one character or `ctrl-` and a letter or one of `@[\]^_`; empty for
  ///   none.
  /// - Throws: `invalidArgument`.
  init(_ text: String) throws {
    keys = try text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map(Self.key)
  }

  private static func key(_ text: Substring) throws -> UInt8 {
    if text.utf8.count == 1, let byte = text.utf8.first { return byte }
    if text.hasPrefix("ctrl-"), text.utf8.count == 6, let byte = text.uppercased().utf8.last,
      (0x40...0x5F).contains(byte)
    {
      return byte & 0x1F
    }
    throw RPCError(
      .invalidArgument, "'\(text)' is no key to detach with",
      hint: "keys are as in \(standard): one character, or ctrl- and a letter or one of @[\\]^_")
  }

  /// Takes what was typed.
  ///
  /// - Returns: what of it is for the container; the beginning of the keys is held back until it is known to be none.
  mutating func take(_ bytes: [UInt8]) -> (forContainer: [UInt8], isDetached: Bool) {
    guard !keys.isEmpty else { return (bytes, false) }
    var passed: [UInt8] = []
    for byte in bytes {
      while typed > 0, byte != keys[typed] {
        // The shorter beginning that the keys so far may still end with.
        let shorter = (1..<max(typed, 1)).last { keys.prefix($0) == keys[(typed - $0)..<typed] } ?? 0
        passed += keys.prefix(typed - shorter)
        typed = shorter
      }
      if byte != keys[typed] {
        passed.append(byte)
        continue
      }
      typed += 1
      if typed == keys.count { return (passed, true) }
    }
    return (passed, false)
  }
}
