/// The words of a command's line that is still being typed.
struct TypedWords {
  /// Those that are done, as they will be read.
  var before: [String] = []
  /// The last one as it stands in the line; empty behind a blank.
  var last = ""
  /// The same as it will be read.
  var lastRead = ""

  init(_ line: String) {
    var isEscaped = false
    var quote: Character?
    for character in line {
      if isEscaped {
        isEscaped = false
      } else if character == "\\", quote != "'" {
        isEscaped = true
        last.append(character)
        continue
      } else if character == quote {
        quote = nil
        last.append(character)
        continue
      } else if quote == nil, character == "'" || character == "\"" {
        quote = character
        last.append(character)
        continue
      } else if quote == nil, character == " " || character == ";" {
        if !last.isEmpty { before.append(lastRead) }
        (last, lastRead) = ("", "")
        // Another command begins.
        if character == ";" { before = [] }
        continue
      }
      last.append(character)
      lastRead.append(character)
    }
  }

  /// A name as it is typed.
  static func quoted(_ name: String) -> String {
    name.map { " ;#\"'\\".contains($0) ? "\\\($0)" : String($0) }.joined()
  }
}
