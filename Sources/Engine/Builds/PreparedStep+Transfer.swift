import Dockerfile
import EngineErrors
import LinuxSystem
import OCIModel
import Runner
import SystemPackage

/// What one source of COPY or ADD has come to before anything is carried out.
enum TransferSource: Sendable {
  /// Files that are there.
  case files([CopyStep.Match])
  /// A file of the web that must have a digest: fetched where nothing like it is in the cache.
  case file(Word, checksum: Word)
  /// Of a git repository the commit is known: the rest as before.
  case repository(Word, GitAddress, commit: String)
}

/// COPY and ADD: what their sources are, and what of those decides about the outcome.
extension PreparedStep {
  mutating func prepare(_ transfer: Transfer, _ state: StageState, isAdd: Bool) async throws {
    try check(transfer, isAdd: isAdd)
    if transfer.isLinked { inputs["place"] = state.absolute(transfer.destination.text) }
    var rest = transfer.sources[...]
    while let first = rest.first {
      if Self.isRemote(first) {
        rest.removeFirst()
        guard let found = try await remote(first, transfer) else {
          unknown = Self.unasked(first.text)
          return
        }
        sources.append(found)
        continue
      }
      // Those of the same tree together.
      let local = rest.prefix { !Self.isRemote($0) }
      rest = rest.dropFirst(local.count)
      let root: SourceRoot
      switch try await self.root(transfer.from, state) {
      case .there(let found): root = found
      case .unknown(let why):
        unknown = why
        return
      }
      sources.append(
        .files(try await select(Array(local), in: root, transfer, unpacks: isAdd && transfer.unpacks ?? true))
      )
    }
    let known = sources.flatMap { source -> [CopyStep.Match] in
      if case .files(let matches) = source { matches } else { [] }
    }
    let unfetched = sources.count { if case .files = $0 { false } else { true } }
    try checkDestination(transfer, count: known.count + unfetched + transfer.inline.count, state)
    let copy = try await makeCopy(transfer, known, state)
    let digests = run.digests
    let found = try await untilCancelled { isCancelled in
      try await onBlockingThread("hash") { try copy.inputs(digests, isCancelled) }
    }
    inputs.merge(found) { $1 }
    note(copy.owner, transfer)
    if unfetched == 0 { self.copy = copy }
  }

  /// The whole, with what has to be fetched for it.
  func fetched(_ transfer: Transfer, _ state: StageState) async throws -> CopyStep {
    var matches: [CopyStep.Match] = []
    for source in sources {
      switch source {
      case .files(let found): matches += found
      case .file(let word, let checksum): matches += try await fetch(word, checksum: checksum, transfer)
      case .repository(let word, let address, let commit):
        let root = try await run.remote.fetch(address, commit)
        let directory = Word(address.directory.isEmpty ? "." : address.directory, at: word.position)
        matches += try await select([directory], in: root, transfer, unpacks: false, takesPatterns: false)
      }
    }
    return try await makeCopy(transfer, matches, state)
  }

  private func check(_ transfer: Transfer, isAdd: Bool) throws {
    let file = run.dockerfile.file
    let address = transfer.sources.first(where: Self.isRemote)
    if let address, !isAdd {
      throw file.error(
        "COPY takes no files from elsewhere: \(address.text)", at: address.position, hint: "ADD does")
    }
    guard let word = transfer.checksum else { return }
    guard address != nil else {
      throw file.error(
        "a checksum is for what is fetched from elsewhere", at: word.position, hint: "leave --checksum out")
    }
    guard transfer.sources.count == 1 else {
      throw file.error(
        "a checksum is for one source, and there are \(transfer.sources.count)", at: word.position,
        hint: "write an ADD for each source that has one")
    }
  }

  private func checkDestination(_ transfer: Transfer, count: Int, _ state: StageState) throws {
    try checkPath(transfer.destination, state)
    let target = transfer.destination.text
    let isDirectory = target.hasSuffix("/") || target == "." || target.hasSuffix("/.")
    guard count <= 1 || isDirectory || transfer.keepsParents else {
      throw run.dockerfile.file.error(
        "\(instruction.keyword.rawValue) of several files needs a directory as its destination",
        at: transfer.destination.position, hint: "write \(target)/")
    }
  }

  private static func isRemote(_ source: Word) -> Bool { RemoteSources.isAddress(source.text) }

  /// Without what is below, a name says nothing of whose the files are.
  private mutating func note(_ owner: (user: UInt32, group: UInt32)?, _ transfer: Transfer) {
    guard transfer.isLinked, transfer.owner?.text.isEmpty == false else { return }
    if let owner {
      inputs["owner"] = "\(owner.user):\(owner.group)"
    } else {
      unknown = "what is below it tells whose the files are, and is not in the store yet"
    }
  }

  // MARK: From elsewhere

  /// - Returns: nil where nothing is carried out, and it would have to be asked for.
  private mutating func remote(_ source: Word, _ transfer: Transfer) async throws -> TransferSource? {
    let origin = Self.origin(source, transfer)
    guard let address = try gitAddress(source, transfer) else {
      if let checksum = transfer.checksum {
        inputs["checksum"] = checksum.text
        return .file(source, checksum: checksum)
      }
      return run.isDry ? nil : .files(try await fetch(source, checksum: nil, transfer))
    }
    guard !run.isDry || address.knownCommit != nil else { return nil }
    do {
      let commit = try await run.remote.commit(of: address)
      try run.remote.check(commit, address)
      inputs["commit" + origin] = commit
      inputs["--keep-git-dir" + origin] = "\(address.keepsGitDirectory)"
      return .repository(source, address, commit: commit)
    } catch let error as EngineError where error.kind != .cancelled {
      var error = error
      error.message = "\(run.dockerfile.file.name):\(source.position): ADD: \(error.message)"
      throw error
    }
  }

  /// Behind the names of what decides about one of several sources.
  private static func origin(_ source: Word, _ transfer: Transfer) -> String {
    transfer.sources.count == 1 ? "" : " of \(source.text)"
  }

  private func gitAddress(_ source: Word, _ transfer: Transfer) throws -> GitAddress? {
    let file = run.dockerfile.file
    guard var address = try GitAddress(source.text, GitAddress.failure(source, file)) else { return nil }
    if let word = transfer.checksum {
      try address.setChecksum(word.text, GitAddress.failure(word, file))
    }
    if let keeps = transfer.keepsGitDirectory {
      guard address.saysKeepsGitDirectory ?? keeps == keeps else {
        throw file.error(
          "ADD: --keep-git-dir=\(keeps) is not what the address says", at: source.position,
          hint: "leave one of them out")
      }
      address.keepsGitDirectory = keeps
    }
    return address
  }

  private func fetch(_ source: Word, checksum: Word?, _ transfer: Transfer) async throws -> [CopyStep.Match] {
    let failure = GitAddress.failure(checksum ?? source, run.dockerfile.file)
    let root = try await run.remote.fetch(source.text, checksum: checksum?.text, failure)
    let name = Word(RemoteSources.fileName(source.text), at: source.position)
    // Archives from elsewhere are only unpacked where that is asked for.
    return try await select(
      [name], in: root, transfer, unpacks: transfer.unpacks ?? false, takesPatterns: false,
      origin: Self.origin(source, transfer))
  }

  // MARK: Files that are there

  private func select(
    _ words: [Word], in root: SourceRoot, _ transfer: Transfer, unpacks: Bool, takesPatterns: Bool = true,
    origin: String = ""
  ) async throws -> [CopyStep.Match] {
    let (file, keyword) = (run.dockerfile.file, instruction.keyword)
    let excluded = try IgnoreRules(transfer.excludes.map(\.text))
    return try await onBlockingThread("select") {
      var selection = CopySelection(root, excluded: excluded, keepsParents: transfer.keepsParents) {
        word, message, hint in
        file.error("\(keyword.rawValue): \(message)", at: word.position, hint: hint)
      }
      for word in words { try selection.select(word, takesPatterns: takesPatterns) }
      return CopyStep.matches(of: selection, in: root, unpacks: unpacks, origin: origin)
    }
  }

  private func makeCopy(
    _ transfer: Transfer, _ matches: [CopyStep.Match], _ state: StageState
  ) async throws -> CopyStep {
    let (file, keyword) = (run.dockerfile.file, instruction.keyword)
    var mode: ModeChange?
    if let word = transfer.mode, !word.text.isEmpty {
      mode = ModeChange(word.text)
      guard mode != nil else {
        throw file.error(
          "'\(word.text)' is not a mode", at: word.position, hint: "write it as 0755 or u=rwX,go=rX")
      }
    }
    let position = instruction.range.start
    return CopyStep(
      transfer: transfer, matches: matches, destination: state.absolute(transfer.destination.text),
      owner: try await owner(of: transfer, state), mode: mode,
      failure: { file.error("\(keyword.rawValue): \($0)", at: position, hint: $1) })
  }

  /// Whose the copied files are to be; nil where that is not said, or cannot be known.
  private func owner(of transfer: Transfer, _ state: StageState) async throws -> (
    user: UInt32, group: UInt32
  )? {
    guard let word = transfer.owner, !word.text.isEmpty,
      !run.isDry || !(state.isFresh || state.lacksLayers)
    else { return nil }
    do {
      let identity = try UserDatabase(layers: run.engine.lowers(state.layers)).resolve(
        Self.ownerText(word.text))
      return (identity.uid, identity.gid)
    } catch {
      throw run.dockerfile.file.error(
        "\(instruction.keyword.rawValue): \(error.message)", at: word.position, hint: error.hint)
    }
  }

  /// A user without a group has the group of the same number, or its own by name.
  private static func ownerText(_ text: String) -> String {
    if text.contains(":") || UInt32(text) == nil { return text }
    return "\(text):\(text)"
  }
}
