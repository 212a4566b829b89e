package import EngineErrors

/// What a `.dockerignore` says: which files of a context are not there for a build. The last rule that fits wins.
package struct IgnoreRules: Hashable, Sendable {
  package private(set) var patterns: [IgnorePattern] = []
  /// What the rules come from; nil where there are none.
  package private(set) var file: String?

  package init() {}

  /// - Throws: `invalidArgument`, with file and line in front, for a pattern that is none.
  package init(parsing bytes: [UInt8], name: String = ".dockerignore") throws(EngineError) {
    file = name
    let text = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes.dropFirst(3) : bytes[...]
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where line.first != UInt8(ascii: "#") {
      let written = String(decoding: line, as: UTF8.self).trimmingBlanks()
      guard !written.isEmpty else { continue }
      do { try add(written, line: index + 1) } catch {
        throw SourceFile(name).error(
          error.message, at: SourcePosition(line: index + 1, column: 1), hint: error.hint)
      }
    }
  }

  /// From patterns that no file has: those of `--exclude`.
  package init(_ patterns: [String]) throws(EngineError) {
    for pattern in patterns where !pattern.trimmingBlanks().isEmpty {
      try add(pattern.trimmingBlanks(), line: nil)
    }
  }

  private mutating func add(_ written: String, line: Int?) throws(EngineError) {
    var pattern = written
    let isException = pattern.hasPrefix("!")
    if isException { pattern = String(pattern.dropFirst()).trimmingBlanks() }
    guard !pattern.isEmpty else {
      throw EngineError(
        .invalidArgument, "the pattern '\(written)' has nothing behind its !", subject: written)
    }
    pattern = Self.clean(pattern)
    patterns.append(try IgnorePattern(pattern, isException: isException, text: written, line: line))
  }

  /// Without a slash at either end, doubled ones, `.` and, as far as it goes, `..`.
  package static func clean(_ path: String) -> String {
    let isRooted = path.hasPrefix("/")
    var parts: [Substring] = []
    for part in path.split(separator: "/") {
      switch part {
      case ".": continue
      case "..":
        if let last = parts.last, last != ".." {
          parts.removeLast()
        } else if !isRooted {
          parts.append(part)
        }
      default: parts.append(part)
      }
    }
    return parts.isEmpty ? "." : parts.joined(separator: "/")
  }

  package var isEmpty: Bool { patterns.isEmpty }

  /// What is known of a directory, for what is in it.
  package struct Verdict: Hashable, Sendable {
    package var isIgnored: Bool
    /// The index of the rule that decided; nil where none fits.
    package var rule: Int?
    /// Which rules fit the path or a directory above it.
    fileprivate var matched: [Bool]
  }

  /// Of the context itself, which is never ignored.
  package var root: Verdict {
    Verdict(isIgnored: false, rule: nil, matched: [Bool](repeating: false, count: patterns.count))
  }

  /// - Parameters:
  ///   - path: relative to the context, with slashes.
  ///   - parent: what is known of its directory.
  package func verdict(_ path: String, in parent: Verdict) -> Verdict {
    guard !patterns.isEmpty else { return parent }
    let scalars = Array(path.unicodeScalars)
    var verdict = root
    for (index, pattern) in patterns.enumerated() {
      var fits = parent.matched[index]
      if !fits {
        // It could change nothing.
        guard pattern.isException == verdict.isIgnored else { continue }
        fits = pattern.matches(scalars)
      }
      verdict.matched[index] = fits
      if fits {
        verdict.isIgnored = !pattern.isException
        verdict.rule = index
      }
    }
    return verdict
  }

  /// For a path alone, whatever its directories are.
  package func verdict(_ path: String) -> Verdict {
    var verdict = root
    var prefix = ""
    for part in path.split(separator: "/") {
      prefix += prefix.isEmpty ? String(part) : "/" + part
      verdict = self.verdict(prefix, in: verdict)
    }
    return verdict
  }

  /// Whether an exception may fit something in an ignored directory, which must be looked through then.
  package func mayKeepSomething(in directory: String) -> Bool {
    let path = Array((directory + "/").unicodeScalars)
    return patterns.contains { pattern in
      guard pattern.isException else { return false }
      let prefix = pattern.literalPrefix
      return prefix.starts(with: path) || path.starts(with: prefix)
    }
  }

  /// The rule of a verdict as a person finds it: `.dockerignore:3: *.log`.
  package func describe(_ rule: Int) -> String? {
    guard patterns.indices.contains(rule) else { return nil }
    let pattern = patterns[rule]
    guard let file, let line = pattern.line else { return pattern.text }
    return "\(file):\(line): \(pattern.text)"
  }
}
