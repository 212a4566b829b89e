import EngineErrors

/// Instructions that bring files, or change them.
extension InstructionParser {
  func baseImage(_ request: Request) throws(EngineError) -> BaseImage {
    let flags = try request.flags.parse(["platform": .value])
    let words = WordSplit.atBlanks(request.line, request.rest)
    guard let image = words.first else {
      throw file.error("FROM needs an image", at: request.position, hint: "write FROM scratch for none")
    }
    var base = BaseImage(image: image, platform: flags.first("platform"))
    if words.count == 1 { return base }
    guard words.count == 3, words[1].text.uppercased() == "AS" else {
      throw file.error(
        "FROM has an image, and a name behind AS", at: words[1].position,
        hint: words.count == 3 ? NearMiss.hint(words[1].text.uppercased(), in: ["AS"]) : nil)
    }
    let name = words[2].text.lowercased()
    guard Self.isStageName(name) else {
      throw file.error(
        "'\(words[2].text)' cannot be a stage's name", at: words[2].position,
        hint: "it begins with a letter and has letters, digits and - _ . in it")
    }
    base.name = name
    base.writtenName = words[2].text
    base.writtenAs = words[1].text
    return base
  }

  private static func isStageName(_ name: String) -> Bool {
    guard let first = name.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first) else {
      return false
    }
    return name.unicodeScalars.allSatisfy {
      ("a"..."z").contains($0) || ("0"..."9").contains($0) || "-_.".unicodeScalars.contains($0)
    }
  }

  func run(_ request: Request) throws(EngineError) -> RunStep {
    let flags = try request.flags.parse([
      "mount": .values, "network": .value, "security": .value, "device": .values,
    ])
    guard !request.rest.isEmpty else {
      throw file.error("RUN needs a command", at: request.position)
    }
    var mounts: [RunMount] = []
    for word in flags["mount"] ?? [] { mounts.append(try RunMount(parsing: word, file)) }
    var network = RunStep.Network.default
    if let word = flags.first("network") {
      guard let known = RunStep.Network(rawValue: word.text.lowercased()) else {
        let names = RunStep.Network.allCases.map(\.rawValue)
        throw file.error(
          "'\(word.text)' is not a network of RUN", at: word.position,
          hint: NearMiss.hint(word.text, in: names) ?? "it is one of \(names.joined(separator: ", "))")
      }
      network = known
    }
    var isInsecure = false
    if let word = flags.first("security") {
      guard word.text == "sandbox" || word.text == "insecure" else {
        throw file.error(
          "'\(word.text)' is not a security of RUN", at: word.position,
          hint: NearMiss.hint(word.text, in: ["sandbox", "insecure"]) ?? "it is sandbox or insecure")
      }
      isInsecure = word.text == "insecure"
    }
    let command = try commandLine(request, request.rest)
    if case .exec([]) = command {
      throw file.error("RUN needs a command", at: request.position)
    }
    return RunStep(
      command: command, mounts: mounts, network: network, isInsecure: isInsecure,
      devices: flags["device"] ?? [])
  }

  func transfer(_ request: Request) throws(EngineError) -> Transfer {
    let isCopy = request.keyword == .copy
    var known: [String: InstructionFlags.Kind] = [
      "chown": .value, "chmod": .value, "link": .flag, "exclude": .values,
    ]
    if isCopy {
      known.merge(["from": .value, "parents": .flag]) { $1 }
    } else {
      known.merge(["checksum": .value, "keep-git-dir": .flag, "unpack": .flag]) { $1 }
    }
    let flags = try request.flags.parse(known)
    let words = try paths(request)
    guard words.count > 1, let destination = words.last else {
      throw file.error(
        "\(request.keyword.rawValue) needs a source and a destination", at: request.position)
    }
    guard Heredoc(word: destination.text) == nil else {
      throw file.error("a heredoc cannot be a destination", at: destination.position)
    }
    var transfer = Transfer(sources: [], inline: [], destination: destination)
    let heredocs = Dictionary(request.heredocs.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    for word in words.dropLast() {
      guard let name = heredocs.isEmpty ? nil : Heredoc(word: word.text)?.name, let heredoc = heredocs[name]
      else {
        transfer.sources.append(word)
        continue
      }
      transfer.inline.append(
        .init(
          name: heredoc.name, content: heredoc.content, expands: heredoc.expands, bytes: heredoc.contentBytes)
      )
    }
    transfer.from = flags.first("from")
    if let from = transfer.from, from.text.contains("$") {
      throw file.error(
        "variables are not replaced in --from", at: from.position,
        hint: "give the image a stage of its own, with a variable in its FROM")
    }
    transfer.owner = flags.first("chown")
    transfer.mode = flags.first("chmod")
    transfer.isLinked = flags.isTrue("link")
    transfer.excludes = flags["exclude"] ?? []
    transfer.keepsParents = flags.isTrue("parents")
    transfer.checksum = flags.first("checksum")
    transfer.keepsGitDirectory = flags.first("keep-git-dir").map { $0.text == "true" }
    transfer.unpacks = flags.first("unpack").map { $0.text == "true" }
    return transfer
  }

  private func paths(_ request: Request) throws(EngineError) -> [Word] {
    guard let list = try list(request.line, request.rest) else {
      // A heredoc's name may be quoted, or away from its mark.
      if !request.heredocs.isEmpty {
        return joinHeredocs(WordSplit.atBlanks(request.line, request.rest))
      }
      return WordSplit.atBlanks(request.line, request.rest)
    }
    let position = request.word.position
    return list.map { Word($0, at: position) }
  }

  private func joinHeredocs(_ words: [Word]) -> [Word] {
    var joined: [Word] = []
    for word in words {
      if let last = joined.last, last.text.hasSuffix("<<") || last.text.hasSuffix("<<-") {
        joined[joined.count - 1].text += word.text
      } else {
        joined.append(word)
      }
    }
    return joined
  }
}
