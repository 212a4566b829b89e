/// A pattern of `*`, `?` and plain characters, which a backslash makes of the two.
struct ShellPattern {
  private enum Element {
    case scalar(Unicode.Scalar)
    case any
    case anything
  }

  private var elements: [Element] = []

  init(_ pattern: [Unicode.Scalar]) throws(ShellLexer.Failure) {
    var index = 0
    while index < pattern.count {
      let scalar = pattern[index]
      index += 1
      switch scalar {
      case "*": elements.append(.anything)
      case "?": elements.append(.any)
      case "\\":
        guard index < pattern.count, "*?\\}/".unicodeScalars.contains(pattern[index]) else {
          let escaped = index < pattern.count ? "\\\(pattern[index])" : "\\"
          throw ShellLexer.Failure(message: "invalid escape \(escaped) in a pattern")
        }
        elements.append(.scalar(pattern[index]))
        index += 1
      default: elements.append(.scalar(scalar))
      }
    }
  }

  mutating func reverse() { elements.reverse() }

  private static func check(_ work: Int) throws(ShellLexer.Failure) {
    guard work > ShellLexer.mostWork else { return }
    throw ShellLexer.Failure(message: "the pattern or the value is too long to find one in the other")
  }

  /// Where a match that begins with the text may end, in ascending order. In time proportional to both lengths' product.
  ///
  /// - Parameter work: grows by what it takes.
  func ends(in text: ArraySlice<Unicode.Scalar>, _ work: inout Int) throws(ShellLexer.Failure) -> [Int] {
    var states = [Bool](repeating: false, count: elements.count + 1)
    states[0] = true
    close(&states)
    var ends: [Int] = states[elements.count] ? [text.startIndex] : []
    for (index, scalar) in zip(text.indices, text) {
      // Far more than to write one.
      work += 16 * (elements.count + 1)
      try Self.check(work)
      var after = [Bool](repeating: false, count: elements.count + 1)
      var isAlive = false
      for (state, element) in elements.enumerated() where states[state] {
        switch element {
        case .scalar(let wanted) where wanted == scalar: after[state + 1] = true
        case .any where scalar != "\n": after[state + 1] = true
        case .anything where scalar != "\n": after[state] = true
        default: continue
        }
        isAlive = true
      }
      guard isAlive else { break }
      close(&after)
      states = after
      if states[elements.count] { ends.append(index + 1) }
    }
    return ends
  }

  /// What may be empty may be passed over.
  private func close(_ states: inout [Bool]) {
    for (state, element) in elements.enumerated() where states[state] {
      if case .anything = element { states[state + 1] = true }
    }
  }

  /// Replaces the first match, or all that do not overlap; each as long as it can be.
  ///
  /// - Parameter work: grows by what it takes.
  func replace(
    in value: String, with replacement: String, all: Bool, _ work: inout Int
  ) throws(ShellLexer.Failure) -> String {
    let text = Array(value.unicodeScalars)
    var result = ""
    var index = 0
    var lastEnd = -1
    while index <= text.count {
      if let end = try ends(in: text[index...], &work).last, end > index || lastEnd != index {
        result += replacement
        work += replacement.utf8.count
        try Self.check(work)
        try ShellLexer.check(length: result.utf8.count)
        lastEnd = end
        if !all {
          result.unicodeScalars += text[end...]
          return result
        }
        if end > index {
          index = end
          continue
        }
      }
      if index < text.count { result.unicodeScalars.append(text[index]) }
      index += 1
    }
    return result
  }
}
