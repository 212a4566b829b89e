/// Names and values in the order in which they came.
package struct Variables: Hashable, Sendable {
  package private(set) var entries: [Entry] = []
  /// Where each name is in them.
  private var places: [String: Int] = [:]

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

  /// A new name comes behind all others; one that is there stays at its place.
  package subscript(name: String) -> String? {
    get { places[name].map { entries[$0].value } }
    set {
      switch (places[name], newValue) {
      case (let place?, let value?): entries[place].value = value
      case (nil, let value?):
        places[name] = entries.count
        entries.append(Entry(name: name, value: value))
      case (let place?, nil):
        entries.remove(at: place)
        places[name] = nil
        for index in entries[place...].indices { places[entries[index].name] = index }
      case (nil, nil): break
      }
    }
  }

  package var names: [String] { entries.map(\.name) }

  /// As `NAME=value`.
  package var environment: [String] { entries.map { "\($0.name)=\($0.value)" } }
}
