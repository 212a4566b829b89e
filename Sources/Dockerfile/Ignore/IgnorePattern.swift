package import EngineErrors

/// One line of a `.dockerignore`, and what it matches.
package struct IgnorePattern: Hashable, Sendable {
  /// As it is written.
  package let text: String
  /// In the file; nil for one that no file has.
  package let line: Int?
  /// `!`: what it matches is not ignored after all.
  package let isException: Bool
  private let form: Form
  /// What every match begins with.
  let literalPrefix: [Unicode.Scalar]

  private enum Form: Hashable {
    /// No wildcard in it.
    case exactly([Unicode.Scalar])
    /// Only `**` at the end.
    case prefix([Unicode.Scalar])
    /// Only `**` at the beginning.
    case suffix([Unicode.Scalar])
    case elements([Element])
  }

  private enum Element: Hashable {
    case scalar(Unicode.Scalar)
    /// `?`: not a slash.
    case any
    /// `*`: as many as there are, no slash.
    case run
    /// `**/` within a pattern: nothing, or what is behind it in `elements`.
    case gate
    /// All up to a slash.
    case upToSlash
    /// `**` at the end of one.
    case everything
    case oneOf(Set<ClosedRange<Unicode.Scalar>>, isNegated: Bool)
  }

  /// - Parameter pattern: cleaned, without the `!`.
  /// - Throws: for a class without an end, and the like.
  package init(_ pattern: String, isException: Bool, text: String, line: Int?) throws(EngineError) {
    self.text = text
    self.line = line
    self.isException = isException
    func bad(_ why: String) -> EngineError {
      EngineError(.invalidArgument, "the pattern '\(text)' cannot be used: \(why)", subject: text)
    }
    let scalars = Array(pattern.unicodeScalars)
    var elements: [Element] = []
    var index = 0
    var isPlain = true
    var doubleAtStart = false
    var doubleAtEnd = false
    while index < scalars.count {
      let scalar = scalars[index]
      index += 1
      switch scalar {
      case "*" where index < scalars.count && scalars[index] == "*":
        let isFirst = index == 1
        index += 1
        if index < scalars.count, scalars[index] == "/" { index += 1 }
        if index == scalars.count {
          elements.append(.everything)
          doubleAtEnd = isPlain && !isFirst
          doubleAtStart = doubleAtStart || isFirst
        } else {
          elements += [.gate, .upToSlash]
          doubleAtStart = doubleAtStart || isFirst
          if !isFirst { isPlain = false }
        }
      case "*":
        elements.append(.run)
        isPlain = false
      case "?":
        elements.append(.any)
        isPlain = false
      case "[":
        isPlain = false
        elements.append(try Self.characterClass(scalars, &index, bad))
      case "\\":
        guard index < scalars.count else { throw bad("a backslash is its last character") }
        elements.append(.scalar(scalars[index]))
        index += 1
        isPlain = false
      default: elements.append(.scalar(scalar))
      }
    }
    let literals = elements.compactMap { if case .scalar(let scalar) = $0 { scalar } else { nil } }
    literalPrefix = elements.prefix { if case .scalar = $0 { true } else { false } }
      .compactMap { if case .scalar(let scalar) = $0 { scalar } else { nil } }
    if isPlain, doubleAtStart, !doubleAtEnd, literals == scalars.suffix(literals.count) {
      // A slash behind the asterisks is a part of what a path ends in.
      form = literals.isEmpty ? .elements([.everything]) : .suffix(Array(scalars.dropFirst(2)))
    } else if isPlain, doubleAtEnd, !doubleAtStart {
      form = .prefix(literals)
    } else if isPlain, !doubleAtStart {
      form = .exactly(literals)
    } else {
      form = .elements(elements)
    }
  }

  private static func characterClass(
    _ scalars: [Unicode.Scalar], _ index: inout Int, _ bad: (String) -> EngineError
  ) throws(EngineError) -> Element {
    var ranges: Set<ClosedRange<Unicode.Scalar>> = []
    var isNegated = false
    if index < scalars.count, scalars[index] == "^" {
      isNegated = true
      index += 1
    }
    func next() throws(EngineError) -> Unicode.Scalar {
      if index < scalars.count, scalars[index] == "\\" { index += 1 }
      guard index < scalars.count else { throw bad("a [ has no ]") }
      defer { index += 1 }
      return scalars[index]
    }
    while true {
      guard index < scalars.count else { throw bad("a [ has no ]") }
      if scalars[index] == "]", !ranges.isEmpty {
        index += 1
        return .oneOf(ranges, isNegated: isNegated)
      }
      guard scalars[index] != "-", scalars[index] != "]" else { throw bad("a class is not well formed") }
      let low = try next()
      var high = low
      if index < scalars.count, scalars[index] == "-" {
        index += 1
        high = try next()
      }
      guard low <= high else { throw bad("a range in a class goes backwards") }
      ranges.insert(low...high)
    }
  }

  /// - Parameter path: relative to the context, with slashes.
  package func matches(_ path: String) -> Bool { matches(Array(path.unicodeScalars)) }

  func matches(_ path: [Unicode.Scalar]) -> Bool {
    switch form {
    case .exactly(let literal): return path == literal
    case .prefix(let literal): return path.starts(with: literal)
    case .suffix(let literal):
      if path.count >= literal.count, path.suffix(literal.count).elementsEqual(literal) { return true }
      return literal.first == "/" && path[...].elementsEqual(literal.dropFirst())
    case .elements(let elements): return Self.matches(elements, path)
    }
  }

  /// In time proportional to both lengths' product.
  private static func matches(_ elements: [Element], _ path: [Unicode.Scalar]) -> Bool {
    var states = [Bool](repeating: false, count: elements.count + 1)
    states[0] = true
    passOver(elements, &states)
    for scalar in path {
      var after = [Bool](repeating: false, count: elements.count + 1)
      for (state, element) in elements.enumerated() where states[state] {
        switch element {
        case .scalar(let wanted): if wanted == scalar { after[state + 1] = true }
        case .any: if scalar != "/" { after[state + 1] = true }
        case .run: if scalar != "/" { after[state] = true }
        case .everything: after[state] = true
        case .gate: break
        case .upToSlash:
          after[state] = true
          if scalar == "/" { after[state + 1] = true }
        case .oneOf(let ranges, let isNegated):
          if ranges.contains(where: { $0.contains(scalar) }) != isNegated { after[state + 1] = true }
        }
      }
      passOver(elements, &after)
      states = after
    }
    return states[elements.count]
  }

  private static func passOver(_ elements: [Element], _ states: inout [Bool]) {
    for (state, element) in elements.enumerated() where states[state] {
      switch element {
      case .run, .everything: states[state + 1] = true
      case .gate:
        states[state + 1] = true
        states[state + 2] = true
      default: break
      }
    }
  }
}
