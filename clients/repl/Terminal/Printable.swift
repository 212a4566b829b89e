extension String {
  /// The same without what would make a terminal do anything but show it, and change its few styles.
  ///
  /// Names, comments and errors come from images and registries: nothing in them may move the cursor, set the window's
  /// title or answer for the person. Controls of writing direction would show a name as another one.
  var printable: String {
    if utf8.allSatisfy({ 0x20 <= $0 && $0 < 0x7F }) { return self }
    var result = String.UnicodeScalarView()
    var rest = unicodeScalars[...]
    while let scalar = rest.first {
      if scalar == "\u{1B}", let style = Self.styles.first(where: { rest.starts(with: $0.unicodeScalars) }) {
        result.append(contentsOf: style.unicodeScalars)
        rest = rest.dropFirst(style.unicodeScalars.count)
        continue
      }
      rest = rest.dropFirst()
      result.append(scalar.isHarmless ? scalar : "\u{FFFD}")
    }
    return String(result)
  }

  /// The same as one line.
  var singleLine: String {
    utf8.contains { $0 < 0x20 } ? String(map { $0.isNewline || $0 == "\t" ? " " : $0 }) : self
  }

  /// Those that `Terminal` writes.
  private static let styles = ["0", "1", "2", "31", "32"].map { "\u{1B}[\($0)m" }
}

extension Unicode.Scalar {
  fileprivate var isHarmless: Bool {
    switch self {
    case "\n", "\t": true
    case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": false
    default: properties.generalCategory != .control
    }
  }
}
