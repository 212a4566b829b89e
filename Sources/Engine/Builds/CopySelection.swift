import Dockerfile
import EngineErrors
import LinuxSystem
import SystemPackage

/// Finds the files that COPY, ADD and bind mounts mean. Blocks.
struct CopySelection {
  private let root: SourceRoot
  private let excluded: IgnoreRules
  private let keepsParents: Bool
  private let place: (Word, String, String?) -> EngineError
  private(set) var entries: [CopyEntry] = []
  /// Whether what was found is more than one file by its name.
  private(set) var matches: [Match] = []

  struct Match {
    var path: String
    var isDirectory: Bool
    /// The range of `entries` that came of it.
    var entries: Range<Int>
  }

  /// - Parameter failure: an error about a word, with where it is.
  init(
    _ root: SourceRoot, excluded: IgnoreRules, keepsParents: Bool,
    failure: @escaping (Word, String, String?) -> EngineError
  ) {
    self.root = root
    self.excluded = excluded
    self.keepsParents = keepsParents
    place = failure
  }

  /// - Throws: `invalidArgument` for a source that leads out, or is not there; patterns may fit nothing.
  mutating func select(_ word: Word, takesPatterns: Bool = true) throws {
    var text = word.text
    var pivot = ""
    if keepsParents, let range = text.firstRange(of: "/./") {
      pivot = String(text[..<range.lowerBound])
      text = String(text[range.upperBound...])
    }
    let path = IgnoreRules.clean(text.hasPrefix("/") ? String(text.dropFirst()) : text)
    guard path != "..", !path.hasPrefix("../") else {
      throw place(word, "'\(word.text)' is outside of \(root.name)", "copy from a context that has it")
    }
    let prefix = pivot.isEmpty ? "" : IgnoreRules.clean(pivot)
    let start = prefix == "." ? "" : prefix
    let isPattern = takesPatterns && path.contains { "*?[".contains($0) }
    let found = isPattern ? try expand(path, below: start) : [path]
    for path in found {
      let source = Self.join(start, path == "." ? "" : path)
      do {
        try add(source, shown: path == "." ? "" : path, word)
      } catch let error as SystemError {
        throw EngineError("read \(source) of \(root.name)", error, subject: source)
      }
    }
  }

  static func join(_ directory: String, _ name: String) -> String {
    directory.isEmpty ? name : name.isEmpty ? directory : directory + "/" + name
  }

  private mutating func add(_ named: String, shown: String, _ word: Word) throws {
    // A link that is named itself stands for what it leads to.
    let source = try resolve(named, word)
    let verdict = root.ignored.verdict(source)
    guard let status = try status(source),
      !verdict.isIgnored || (status.kind == .directory && root.ignored.mayKeepSomething(in: source))
    else { throw missing(source, verdict, word) }
    let begin = entries.count
    let base = named.split(separator: "/").last.map(String.init) ?? ""
    if status.kind == .directory {
      if keepsParents { try addParents(of: shown, named, word) }
      if keepsParents, !shown.isEmpty {
        entries.append(CopyEntry(source: source, target: shown, status: status))
      }
      try walk(source, to: keepsParents ? shown : "", verdict)
    } else if !excluded.verdict(keepsParents ? shown : base).isIgnored {
      if keepsParents { try addParents(of: shown, named, word) }
      entries.append(CopyEntry(source: source, target: keepsParents ? shown : base, status: status))
    }
    matches.append(
      Match(path: source, isDirectory: status.kind == .directory, entries: begin..<entries.count))
  }

  /// Nil where nothing has that path: also where a file or a link that leads to itself is on the way.
  private func status(_ source: String) throws -> FileStatus? {
    do { return try root.descriptor.statusInRoot(NameText.path("/" + source)) } catch {
      guard [.notDirectory, .tooManySymbolicLinkLevels, .fileNameTooLong].contains(error.errno) else {
        throw error
      }
      return nil
    }
  }

  /// The path without links that one leads to, within the root.
  private func resolve(_ path: String, _ word: Word) throws -> String {
    var rest = path.split(separator: "/").map(String.init)[...]
    var real: [String] = []
    var steps = 0
    while let part = rest.popFirst() {
      steps += 1
      guard steps < 1000 else { throw place(word, "'\(word.text)' has too many links in it", nil) }
      if part == ".." {
        _ = real.popLast()
        continue
      }
      let parent = "/" + real.joined(separator: "/")
      guard let open = try? root.descriptor.openDirectoryInRoot(NameText.path(parent)) else {
        return (real + [part] + rest).joined(separator: "/")
      }
      let name = NameText.cString(part)
      guard name.count <= NameText.longest + 1 else { return (real + [part] + rest).joined(separator: "/") }
      guard let target = try open.descriptor.linkTarget(of: name) else {
        real.append(part)
        continue
      }
      let text = NameText.text(target)
      if text.hasPrefix("/") { real = [] }
      rest = (text.split(separator: "/").map(String.init).filter { $0 != "." } + rest)[...]
    }
    return real.joined(separator: "/")
  }

  /// The directories on the way, as they are in the source.
  private mutating func addParents(of shown: String, _ source: String, _ word: Word) throws {
    let parts = shown.split(separator: "/").dropLast()
    let start = source.dropLast(shown.count)
    var path = ""
    for part in parts {
      path = Self.join(path, String(part))
      // A link on the way stands for what it leads to.
      let whole = try resolve(String(start) + path, word)
      guard let status = try status(whole) else { continue }
      entries.append(CopyEntry(source: whole, target: path, status: status))
    }
  }

  private func missing(_ source: String, _ verdict: IgnoreRules.Verdict, _ word: Word) -> EngineError {
    if verdict.isIgnored, let rule = verdict.rule.flatMap(root.ignored.describe) {
      return place(word, "'\(word.text)' is left out of \(root.name)", "the rule is \(rule)")
    }
    let parent = source.split(separator: "/").dropLast().joined(separator: "/")
    let names = (try? names(in: parent)) ?? []
    let base = source.split(separator: "/").last.map(String.init) ?? source
    let near = NearMiss.of(base, in: names, ignoringCase: false).map { Self.join(parent, $0) }
    return place(
      word, "there is no '\(word.text)' in \(root.name)", near.map { "did you mean \($0)?" })
  }

  private func names(in directory: String) throws -> [String] {
    try sorted(directory).map { NameText.text($0.name) }
  }

  private func sorted(_ directory: String) throws -> [DirectoryEntry] {
    let open = try root.descriptor.openDirectoryInRoot(NameText.path("/" + directory))
    return try open.descriptor.sortedEntries()
  }

  /// The paths that a pattern fits, each of its parts in one directory, from `**` on at any depth.
  private func expand(_ pattern: String, below start: String) throws -> [String] {
    var found = [""]
    for part in pattern.split(separator: "/") {
      if part == "**" {
        found = try search(Self.pattern(pattern), in: found, below: start)
        break
      }
      guard part.contains(where: { "*?[\\".contains($0) }) else {
        found = found.map { Self.join($0, String(part)) }
        continue
      }
      let wanted = try Self.pattern(String(part))
      found = found.flatMap { directory -> [String] in
        let names = (try? names(in: Self.join(start, directory))) ?? []
        return names.filter(wanted.matches).map { Self.join(directory, $0) }
      }
    }
    return try found.filter { path in
      let source = Self.join(start, path)
      let verdict = root.ignored.verdict(source)
      guard let status = try status(source) else { return false }
      return !verdict.isIgnored || (status.kind == .directory && root.ignored.mayKeepSomething(in: source))
    }
  }

  private static func pattern(_ text: String) throws -> IgnorePattern {
    try IgnorePattern(text, isException: false, text: text, line: nil)
  }

  /// What fits a whole pattern anywhere in some directories; no link is followed. What is in a directory that fits comes with it.
  private func search(
    _ pattern: IgnorePattern, in directories: [String], below start: String
  ) throws -> [String] {
    var found: [String] = []
    var rest = Array(directories.reversed())
    while let directory = rest.popLast() {
      let path = NameText.path("/" + Self.join(start, directory))
      guard let open = try? root.descriptor.openDirectoryInRoot(path) else { continue }
      var below: [String] = []
      for entry in try open.descriptor.sortedEntries() {
        let path = Self.join(directory, NameText.text(entry.name))
        if pattern.matches(path) {
          found.append(path)
          continue
        }
        // Not every file system says what an entry is.
        let kind = entry.kind == .unknown ? try open.descriptor.status(of: entry.cName)?.kind : entry.kind
        if kind == .directory { below.append(path) }
      }
      rest += below.reversed()
    }
    return found
  }

  /// A directory that is being gone through.
  private struct Visit {
    var source: String
    var target: String
    var relative: String
    var ignored: IgnoreRules.Verdict
    var excluded: IgnoreRules.Verdict
    /// The next one last.
    var rest: [DirectoryEntry]
    let directory: SharedDirectory
    /// Its own entry, where it is only there if something in it is.
    var pending: CopyEntry?
  }

  private final class SharedDirectory {
    let owned: OwnedDescriptor
    init(_ owned: consuming OwnedDescriptor) { self.owned = owned }
  }

  /// All that is in a directory, without it; no link is followed. No recursion: trees may be deep.
  private mutating func walk(_ source: String, to target: String, _ verdict: IgnoreRules.Verdict) throws {
    func begin(
      _ directory: SharedDirectory, _ source: String, _ target: String, _ relative: String,
      _ ignored: IgnoreRules.Verdict, _ excluded: IgnoreRules.Verdict, pending: CopyEntry?
    ) throws -> Visit {
      Visit(
        source: source, target: target, relative: relative, ignored: ignored, excluded: excluded,
        rest: try directory.owned.descriptor.sortedEntries().reversed(), directory: directory,
        pending: pending)
    }
    let top = SharedDirectory(try root.descriptor.openDirectoryInRoot(NameText.path("/" + source)))
    var visits = [try begin(top, source, target, "", verdict, excluded.root, pending: nil)]
    while !visits.isEmpty {
      let last = visits.count - 1
      guard let found = visits[last].rest.popLast() else {
        visits.removeLast()
        continue
      }
      let visit = visits[last]
      let directory = visit.directory.owned.descriptor
      guard let status = try directory.status(of: found.cName), status.kind != .socket else { continue }
      let name = NameText.text(found.name)
      let source = Self.join(visit.source, name)
      let relative = Self.join(visit.relative, name)
      let ignored = root.ignored.verdict(source, in: visit.ignored)
      let excluded = excluded.verdict(relative, in: visit.excluded)
      let entry = CopyEntry(source: source, target: Self.join(visit.target, name), status: status)
      let isOut = ignored.isIgnored || excluded.isIgnored
      if !isOut {
        for index in visits.indices {
          guard let pending = visits[index].pending else { continue }
          entries.append(pending)
          visits[index].pending = nil
        }
        entries.append(entry)
      }
      guard status.kind == .directory else { continue }
      let mayKeep =
        (!ignored.isIgnored || root.ignored.mayKeepSomething(in: source))
        && (!excluded.isIgnored || self.excluded.mayKeepSomething(in: relative))
      guard !isOut || mayKeep else { continue }
      let open = SharedDirectory(try directory.openDirectoryBeneath(found.cName))
      visits.append(
        try begin(
          open, source, entry.target, relative, ignored, excluded, pending: isOut ? entry : nil))
    }
  }
}
