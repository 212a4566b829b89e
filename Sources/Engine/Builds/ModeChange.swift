/// What `--chmod` says: an octal number, or changes as BuildKit takes them, which are chmod(1)'s but for a directory's bits
/// of set-user-ID and set-group-ID: `=` takes them away there, too.
struct ModeChange: Sendable, Hashable {
  private enum Change: Hashable {
    case number(UInt32)
    /// Of whom, how, and which; `X` is execution where somebody may execute already, and of directories.
    case symbolic(who: UInt32, operation: Character, bits: UInt32, onlyIfExecutable: Bool)
    /// The same with what another has: how far to the right that is.
    case copy(who: UInt32, operation: Character, shift: UInt32)
  }
  private var changes: [Change] = []

  /// Nil for what is neither.
  init?(_ text: String) {
    if text.utf8.allSatisfy({ (48...57).contains($0) }), !text.isEmpty {
      guard let number = UInt32(text, radix: 8), number <= 0o7777 else { return nil }
      changes = [.number(number)]
      return
    }
    for clause in text.split(separator: ",", omittingEmptySubsequences: false) {
      var rest = clause
      var who: UInt32 = 0
      while let letter = rest.first, let mask = Self.masks[letter] {
        who |= mask
        rest = rest.dropFirst()
      }
      if who == 0 { who = 0o7777 }
      guard let first = rest.first, "+-=".contains(first) else { return nil }
      while let operation = rest.first, "+-=".contains(operation) {
        rest = rest.dropFirst()
        if let letter = rest.first, let shift = Self.shifts[letter] {
          rest = rest.dropFirst()
          changes.append(.copy(who: who, operation: operation, shift: shift))
          continue
        }
        var bits: UInt32 = 0
        var conditional = false
        while let letter = rest.first, !"+-=".contains(letter) {
          switch letter {
          case "r": bits |= 0o444
          case "w": bits |= 0o222
          case "x": bits |= 0o111
          case "X": conditional = true
          case "s": bits |= 0o6000
          case "t": bits |= 0o1000
          default: return nil
          }
          rest = rest.dropFirst()
        }
        changes.append(.symbolic(who: who, operation: operation, bits: bits, onlyIfExecutable: conditional))
      }
      guard rest.isEmpty else { return nil }
    }
  }

  private static let masks: [Character: UInt32] = ["u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777]

  private static let shifts: [Character: UInt32] = ["u": 6, "g": 3, "o": 0]

  func applied(to permissions: UInt32, isDirectory: Bool) -> UInt32 {
    changes.reduce(permissions) { mode, change in
      switch change {
      case .number(let number): return number
      case .symbolic(let who, let operation, var bits, let onlyIfExecutable):
        if onlyIfExecutable, isDirectory || mode & 0o111 != 0 { bits |= 0o111 }
        return Self.change(mode, who, operation, bits, clearing: 0o6777)
      case .copy(let who, let operation, let shift):
        return Self.change(mode, who, operation, (mode >> shift & 0o7) * 0o111, clearing: 0o777)
      }
    }
  }

  /// - Parameter mask: what `=` takes away of those that are meant, besides what it gives.
  private static func change(
    _ mode: UInt32, _ who: UInt32, _ operation: Character, _ bits: UInt32, clearing mask: UInt32
  ) -> UInt32 {
    switch operation {
    case "+": mode | bits & who
    case "-": mode & ~(bits & who)
    default: mode & ~(who & mask) | bits & who
    }
  }
}
