/// Names and values in the order in which they came.
package struct Variables: Hashable, Sendable {
  package private(set) var entries: [Entry] = []

  package struct Entry: Hashable, Sendable {
    package var name: String
    package var value: String
  }

  package init() {}

  /// - Parameter environment: entries of the form `NAME=value`.
  package init(_ environment: [String]) {
    for entry in environment {
      let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      self[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
    }
  }

  package subscript(name: String) -> String? {
    get { entries.last { $0.name == name }?.value }
    set {
      guard let newValue else { return entries.removeAll { $0.name == name } }
      if let index = entries.firstIndex(where: { $0.name == name }) {
        entries[index].value = newValue
      } else {
        entries.append(Entry(name: name, value: newValue))
      }
    }
  }

  package var names: [String] { entries.map(\.name) }

  /// As `NAME=value`.
  package var environment: [String] { entries.map { "\($0.name)=\($0.value)" } }
}
