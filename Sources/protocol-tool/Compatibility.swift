/// What a newer protocol breaks of an older one: for a client of the older one with a service of the newer one.
///
/// A client sends parameters and reads results and notifications; what both use counts for both.
struct Compatibility {
  private let old: ProtocolFiles
  private let new: ProtocolFiles
  /// The types that a client sends, and those that it reads.
  private let sent: Set<String>
  private let read: Set<String>

  init(_ old: ProtocolFiles, _ new: ProtocolFiles) {
    self.old = old
    self.new = new
    let given = old.notifications.filter { $0.direction != .serverToClient }
    let taken = old.notifications.filter { $0.direction != .clientToServer }
    sent = Self.reachable(old.requests.flatMap(\.params) + given.flatMap(\.params), old)
    read = Self.reachable(
      old.requests.flatMap(\.result) + taken.flatMap(\.params) + old.events.flatMap(\.attributes)
        + (old.structures.first { $0.name == "ErrorData" }?.fields ?? []), old)
  }

  /// A sentence for each thing that is broken; empty where a client of the old protocol goes on to work.
  func breaks() -> [String] {
    requests() + anyRequest() + notifications() + events() + codes() + structures() + enumerations()
      + aliases()
      + versions()
  }

  /// What is in the older one is there since then; what is not came after it, and before the newer one was finished.
  private func versions() -> [String] {
    let before = old.since.merging(new.since) { old, _ in old }
    let changed = new.since.filter { before[$0.key] != $0.value }
      .map { "\($0.key) is there since \(before[$0.key] ?? "") and says \($0.value)" }
    let early = new.since.filter { name, since in old.since[name] == nil && !old.version.precedes(since) }
      .map { "\($0.key) is new and says that it is there since \($0.value)" }
    let late = new.since.filter { new.version.precedes($0.value) }
      .map { "\($0.key) is there since \($0.value), which is yet to come" }
    let back =
      new.version.precedes(old.version) ? ["the version is \(new.version) and was \(old.version)"] : []
    return (changed + early + late).sorted() + back
  }

  private func requests() -> [String] {
    old.requests.flatMap { before -> [String] in
      guard let after = new.requests.first(where: { $0.method == before.method }) else {
        return ["\(before.method) is gone"]
      }
      var found =
        fields(before.params, after.params, of: before.method, isSent: true, isRead: false)
        + fields(
          before.result, after.result, of: "\(before.method)'s result", isSent: false, isRead: true)
      if before.cancellable, !after.cancellable {
        found.append("\(before.method) cannot be cancelled any more")
      }
      if before.tasks == true, after.tasks != true {
        found.append("\(before.method) reports no tasks any more")
      }
      for kind in Set(before.errors).subtracting(after.errors + new.anyRequest).sorted() {
        found.append("\(before.method) names \(kind) no more")
      }
      return found
    }
  }

  /// Kinds that any request may be answered with, of which a single one need not name them.
  private func anyRequest() -> [String] {
    Set(old.anyRequest).subtracting(new.anyRequest).sorted().map { "\($0) is any request's no more" }
  }

  private func notifications() -> [String] {
    old.notifications.flatMap { before -> [String] in
      guard let after = new.notifications.first(where: { $0.method == before.method }) else {
        return ["\(before.method) is gone"]
      }
      var found: [String] = []
      if after.direction != before.direction {
        found.append("\(before.method) is \(after.direction) and was \(before.direction)")
      }
      if after.delivery != before.delivery {
        found.append("\(before.method) is \(after.delivery) and was \(before.delivery)")
      }
      return found
        + fields(
          before.params, after.params, of: before.method, isSent: before.direction != .serverToClient,
          isRead: before.direction != .clientToServer)
    }
  }

  /// A client that acts on an event waits for it by its name.
  private func events() -> [String] {
    old.events.flatMap { before -> [String] in
      guard let after = new.events.first(where: { $0.name == before.name }) else {
        return ["\(before.name) is gone"]
      }
      let subject =
        after.subject == before.subject
        ? [] : ["\(before.name) is of '\(after.subject)' and was of '\(before.subject)'"]
      return subject
        + fields(before.attributes, after.attributes, of: before.name, isSent: false, isRead: true)
    }
  }

  private func codes() -> [String] {
    old.codes.compactMap { before in
      guard let after = new.codes.first(where: { $0.name == before.name }) else {
        return "\(before.name) is gone"
      }
      return before.code == after.code ? nil : "\(before.name) is \(after.code) and was \(before.code)"
    }
  }

  private func structures() -> [String] {
    old.structures.flatMap { before -> [String] in
      let (isSent, isRead) = (sent.contains(before.name), read.contains(before.name))
      guard let after = new.structures.first(where: { $0.name == before.name }) else {
        return isSent || isRead ? ["\(before.name) is gone"] : []
      }
      return fields(before.fields, after.fields, of: before.name, isSent: isSent, isRead: isRead)
    }
  }

  private func fields(
    _ before: [ProtocolFile.Field], _ after: [ProtocolFile.Field], of owner: String, isSent: Bool,
    isRead: Bool
  ) -> [String] {
    let changed = before.flatMap { field -> [String] in
      let name = "\(owner): \(field.name)"
      guard let now = after.first(where: { $0.name == field.name }) else {
        // What a client does not know any more it reads nowhere; what it sends is ignored without a word.
        return isSent || isRead ? ["\(name) is gone"] : []
      }
      if field.type.form != now.type.form {
        return ["\(name) is \(now.type.text) and was \(field.type.text)"]
      }
      var found: [String] = []
      if isSent, field.type.isOptional, !now.type.isOptional {
        found.append("\(name) has to be given now")
      }
      if isRead, !field.type.isOptional, now.type.isOptional {
        found.append("\(name) can be absent now")
      }
      if isSent, now.min ?? .min > field.min ?? .min || now.max ?? .max < field.max ?? .max {
        found.append("\(name) takes a narrower range")
      }
      return found
    }
    let added = after.filter { field in !before.contains { $0.name == field.name } }
    return changed
      + added.filter { isSent && !$0.type.isOptional }.map {
        "\(owner): \($0.name) is new and has to be given"
      }
  }

  private func enumerations() -> [String] {
    old.enumerations.flatMap { before -> [String] in
      let (isSent, isRead) = (sent.contains(before.name), read.contains(before.name))
      guard isSent || isRead else { return [] }
      guard let after = new.enumerations.first(where: { $0.name == before.name }) else {
        return ["\(before.name) is gone"]
      }
      var found: [String] = []
      let names = Set(before.values.map(\.name))
      for value in names.subtracting(after.values.map(\.name)).sorted() {
        found.append("\(before.name): \(value) is gone")
      }
      // A client keeps the text of what it does not know of an open one.
      if isRead, !before.open {
        if after.open { found.append("\(before.name) is open now") }
        for value in Set(after.values.map(\.name)).subtracting(names).sorted() {
          found.append("\(before.name): \(value) is new, and older clients cannot read it")
        }
      }
      return found
    }
  }

  private func aliases() -> [String] {
    old.aliases.compactMap { before in
      guard sent.contains(before.name) || read.contains(before.name) else { return nil }
      guard let after = new.aliases.first(where: { $0.name == before.name }) else {
        return "\(before.name) is gone"
      }
      return before.type.form == after.type.form
        ? nil : "\(before.name) is \(after.type.text) and was \(before.type.text)"
    }
  }

  /// The names of all types that fields use, however deep.
  private static func reachable(_ fields: [ProtocolFile.Field], _ files: ProtocolFiles) -> Set<
    String
  > {
    var found: Set<String> = []
    var rest = fields.compactMap(\.type.reference)
    while let name = rest.popLast() {
      guard found.insert(name).inserted else { continue }
      rest += files.structures.first { $0.name == name }?.fields.compactMap(\.type.reference) ?? []
      if let alias = files.aliases.first(where: { $0.name == name })?.type.reference {
        rest.append(alias)
      }
    }
    return found
  }
}

extension ProtocolFiles {
  /// By method, the version that it came with.
  fileprivate var since: [String: String] {
    Dictionary(
      requests.map { ($0.method, $0.since) } + notifications.map { ($0.method, $0.since) },
      uniquingKeysWith: { first, _ in first })
  }
}

extension String {
  /// Whether this version, as in 0.9, is before another one, as 0.10.
  fileprivate func precedes(_ other: String) -> Bool {
    func numbers(_ text: String) -> [Int] { text.split(separator: ".").map { Int($0) ?? 0 } }
    return numbers(self).lexicographicallyPrecedes(numbers(other))
  }
}
