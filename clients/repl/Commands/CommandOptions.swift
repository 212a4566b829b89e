import ArgumentParser

/// The options of a command, from its own page.
struct CommandOptions {
  /// The long ones.
  private(set) var names: [String] = []
  private var withValues: Set<String> = []

  init(of command: any REPLCommand.Type) {
    // In a wide page no option's name is on a line of its own.
    for line in CommandTable.page(of: command, columns: 300).split(separator: "\n") {
      guard let match = line.prefixMatch(of: #/ +((?:-\w, )?-{1,2}[\w-]+)(?:\/(--[\w-]+))?( <)?/#) else {
        continue
      }
      let words = match.1.split(separator: ", ").map(String.init) + (match.2.map { [String($0)] } ?? [])
      names += words.filter { $0.hasPrefix("--") }
      if match.3 != nil { withValues.formUnion(words) }
    }
  }

  /// The option whose value the word behind this one is; of short flags that are written together, `-itv`, the last.
  func option(withValueBehind word: String) -> String? {
    if withValues.contains(word) { return word }
    guard word.hasPrefix("-"), !word.hasPrefix("--"), let last = word.last else { return nil }
    return withValues.contains("-\(last)") ? "-\(last)" : nil
  }

  /// What is no option and no value of one.
  func arguments(_ words: [String]) -> [String] {
    var found: [String] = []
    var isValue = false
    for word in words {
      if isValue {
        isValue = false
      } else if word.hasPrefix("-"), word != "-" {
        isValue = option(withValueBehind: word) != nil
      } else {
        found.append(word)
      }
    }
    return found
  }
}
