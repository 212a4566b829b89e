/// Writes the reference between two marks of `protocol/README.md`, beside what is written by hand.
enum ReferenceWriter {
  private static let begin = "<!-- The reference begins: written by protocol-tool. -->"
  private static let end = "<!-- The reference ends. -->"

  static func insert(_ files: ProtocolFiles, into readme: String) -> String {
    guard let first = readme.range(of: begin), let last = readme.range(of: end, in: first.upperBound) else {
      return readme + "\n\(begin)\n\n\(reference(files))\n\(end)\n"
    }
    return readme[..<first.upperBound] + "\n\n\(reference(files))\n" + readme[last.lowerBound...]
  }

  private static func reference(_ files: ProtocolFiles) -> String {
    files.files.map { noun($0, files) }.joined(separator: "\n")
  }

  private static func noun(_ file: ProtocolFile, _ files: ProtocolFiles) -> String {
    var lines = ["## \(file.noun)", "", file.doc, ""]
    for request in file.requests {
      lines += ["### `\(request.method)`", "", request.doc, ""]
      var facts = ["since \(request.since)"]
      if request.cancellable { facts.append("cancellable") }
      if request.tasks == true { facts.append("reports tasks") }
      if !request.errors.isEmpty { facts.append("errors: \(request.errors.joined(separator: ", "))") }
      lines += ["*\(facts.joined(separator: "; "))*", ""]
      let mixins = files.mixins(of: request)
      lines += mixins.flatMap { ["Takes all members of [\($0.name)](#\($0.name.lowercased())).", ""] }
      let mixed = Set(mixins.flatMap(\.fields).map(\.name))
      lines += table("Parameter", request.params.filter { !mixed.contains($0.name) })
      lines += table("Result", request.result)
      if let example = request.examples.first, let text = try? example.params.text() {
        lines += ["```json", "\(text)", "```", ""]
      }
    }
    for notification in file.notifications {
      let way =
        switch notification.direction {
        case .clientToServer: "client to service"
        case .serverToClient: "service to client"
        case .both: "both ways"
        }
      lines += ["### `\(notification.method)`", "", notification.doc, ""]
      lines += ["*\(way); \(notification.delivery.rawValue); since \(notification.since)*", ""]
      lines += table("Parameter", notification.params)
    }
    for structure in file.structures {
      lines += ["### \(structure.name)", "", structure.doc, ""] + table("Member", structure.fields)
    }
    for enumeration in file.enumerations {
      lines += [
        "### \(enumeration.name)", "", enumeration.doc + (enumeration.open ? " Others may come." : ""), "",
      ]
      lines += ["| value | meaning |", "| --- | --- |"]
      lines += enumeration.values.map { "| `\($0.name)` | \($0.doc) |" } + [""]
    }
    for alias in file.aliases { lines += ["### \(alias.name)", "", alias.doc, ""] }
    if let events = file.events {
      lines += [
        "### Kinds of event", "", "| kind | subject | attributes | meaning |", "| --- | --- | --- | --- |",
      ]
      lines += events.map { event in
        let attributes = event.attributes.map { "`\($0.name)`" }.joined(separator: ", ")
        return "| `\(event.name)` | \(event.subject) | \(attributes) | \(event.doc) |"
      }
      lines.append("")
    }
    if let kinds = file.anyRequest {
      let names = kinds.map { "`\($0)`" }
      lines += [
        "### Errors of any request", "",
        "Any request may be answered with \(names.dropLast().joined(separator: ", ")) or \(names.last ?? ""). "
          + "One that names such a kind is answered so for what it was given, and not only for the state of the machine.",
        "",
      ]
    }
    if let codes = file.codes {
      lines += ["### Codes", "", "| code | name | meaning |", "| --- | --- | --- |"]
      lines += codes.map { "| \($0.code) | \($0.name) | \($0.doc) |" } + [""]
    }
    return lines.joined(separator: "\n")
  }

  private static func table(_ title: String, _ fields: [ProtocolFile.Field]) -> [String] {
    guard !fields.isEmpty else { return [] }
    return ["| \(title) | type | |", "| --- | --- | --- |"]
      + fields.map { field in
        let bounds =
          switch (field.min, field.max) {
          case (let min?, let max?): " (\(min) to \(max))"
          default: ""
          }
        return "| `\(field.name)` | `\(field.type.text)`\(bounds) | \(field.doc) |"
      } + [""]
  }
}

extension String {
  fileprivate func range(of text: String, in start: String.Index? = nil) -> Range<String.Index>? {
    self[(start ?? startIndex)...].firstRange(of: text)
  }
}
