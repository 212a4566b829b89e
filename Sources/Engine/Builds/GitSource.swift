import Dockerfile
import EngineErrors
import Foundation
import LinuxSystem
import SystemPackage

/// What is taken of a git repository, through the host's `git`, which neither asks nor reads anybody's configuration, passwords or
/// keys: what it may use of secrets is what the build was given.
extension RemoteSources {
  /// The commit that an address stands for now.
  ///
  /// - Throws: `notFound` for a name that the repository does not have.
  func commit(of address: GitAddress) async throws -> String {
    if let known = address.knownCommit { return known.lowercased() }
    return try await lookUp(address)
  }

  private func lookUp(_ address: GitAddress) async throws -> String {
    let name = address.reference ?? "HEAD"
    let names = [name, "refs/heads/\(name)", "refs/tags/\(name)"]
    // Of a tag that is an object of its own, what it stands for. All that a repository has may be more than is read.
    let wanted = try await references(of: address, names.flatMap { [$0, $0 + "^{}"] })
    for full in names {
      if let commit = wanted[full + "^{}"] ?? wanted[full] { return commit }
    }
    if name.utf8.count >= 4, GitAddress.isHexadecimal(name),
      let commit = try await lookUp(commit: name, address)
    {
      return commit
    }
    let found = (try? await references(of: address, [])) ?? [:]
    throw EngineError(
      .notFound, "\(address.repository) has no \(name)", subject: name,
      hint: NearMiss.hint(
        name, in: found.keys.map { String($0.split(separator: "/").last ?? "") })
        ?? "name a branch, a tag or a commit")
  }

  /// What a repository has of some names, which stand for all that end so; all of them where there are none.
  private func references(of address: GitAddress, _ names: [String]) async throws -> [String: String] {
    let listed = try await git(["ls-remote", "--", address.repository] + names, for: address.repository)
    var found: [String: String] = [:]
    for line in listed.split(separator: "\n") {
      let fields = line.split(separator: "\t", maxSplits: 1).map(String.init)
      if fields.count == 2 { found[fields[1]] = fields[0] }
    }
    return found
  }

  /// The one commit whose name begins so; servers do not tell, so all of them are fetched.
  private func lookUp(commit start: String, _ address: GitAddress) async throws -> String? {
    let step = try engine.prepareStep()
    defer { engine.discardStep(step.id) }
    let place = step.upper.string
    _ = try await git(["-C", place, "init", "--quiet", "--bare"])
    _ = try await git(
      ["-C", place, "fetch", "--quiet", "--", address.repository, "+refs/*:refs/*"], for: address.repository)
    let found = try? await git(["-C", place, "rev-parse", "--verify", "--quiet", "\(start)^{commit}"])
    return found?.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// The files of a commit, in a directory of their own until they have been copied.
  ///
  /// - Throws: `digestMismatch` where the commit is not the one that was to be.
  func fetch(_ address: GitAddress, _ commit: String) async throws -> SourceRoot {
    let step = try engine.prepareStep()
    do {
      let place = step.upper
      func inPlace(_ arguments: [String]) async throws -> String {
        try await git(["-C", place.string] + arguments, for: address.repository)
      }
      try await reporter.task("fetch \(address.repository.prefix(200))") { _, _ in
        _ = try await inPlace(["init", "--quiet"])
        _ = try await inPlace(["remote", "add", "origin", "--", address.repository])
        do {
          _ = try await inPlace(["fetch", "--quiet", "--depth=1", "--no-tags", "origin", commit])
        } catch let error as EngineError where error.kind != .cancelled {
          // Not every server gives a commit by its name: then all of what it has.
          _ = try await inPlace(["fetch", "--quiet", "--tags", "origin"])
        }
        _ = try await inPlace(["checkout", "--quiet", "--detach", commit])
        if address.hasSubmodules, fileExists(place.appending(".gitmodules")) {
          _ = try await inPlace(["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"])
        }
      }
      // A name that is given with a commit has to stand for it, which nobody has looked at so far.
      if address.checksum != nil, address.knownCommit != nil, let name = address.reference,
        !GitAddress.isHexadecimal(name)
      {
        try check(try await lookUp(address), address)
      }
      let found = try await inPlace(["rev-parse", "HEAD"]).trimmingCharacters(in: .whitespacesAndNewlines)
      try check(found, address)
      if !address.keepsGitDirectory {
        try await untilCancelled { isCancelled in
          try await onBlockingThread("git") { try Self.removeGitDirectories(place, isCancelled) }
        }
      }
      let directory = OwnedDescriptor(try openDirectory(place).release())
      return SourceRoot(directory, name: address.repository, isContext: true) { [engine] in
        engine.discardStep(step.id)
      }
    } catch {
      engine.discardStep(step.id)
      throw error
    }
  }

  func check(_ commit: String, _ address: GitAddress) throws {
    guard let checksum = address.checksum, !commit.hasPrefix(checksum) else { return }
    throw EngineError(
      .digestMismatch, "\(address.repository) is at \(commit) and not at \(checksum)",
      subject: address.repository, retriable: false)
  }

  /// Submodules have a file of that name.
  private static func removeGitDirectories(_ place: FilePath, _ isCancelled: () -> Bool) throws {
    try removeTree(place.appending(".git"))
    guard let names = FileManager.default.enumerator(atPath: place.string) else { return }
    for case let name as String in names {
      if isCancelled() { throw EngineError.cancelled("fetching a git repository") }
      guard name.hasSuffix("/.git") else { continue }
      try removeTree(place.appending(name))
    }
  }

  /// Which machines are who they say is the user's to know; all else is the agent's that the build was given.
  private func sshCommand(home: String?) -> String {
    let agent = request.agents["default"]?.string ?? "none"
    let known = home.map { ["-o", "UserKnownHostsFile=\($0)/.ssh/known_hosts"] } ?? []
    let words = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentityFile=none"]
    // A shell splits it.
    return (words + ["-o", "IdentityAgent=\(agent)"] + known).map {
      "'" + $0.replacing("'", with: "'\\''") + "'"
    }.joined(separator: " ")
  }

  /// What git sends with its requests to a repository's server: BuildKit's secrets, those of the host before those of all.
  ///
  /// Not in the clear over the network, and never as an argument, which others could read.
  private func credentials(for repository: String) throws -> [String: String] {
    guard let address = URL(string: repository), let scheme = address.scheme, let host = address.host() else {
      return [:]
    }
    let place = address.port.map { "\(host):\($0)" } ?? host
    guard
      scheme == "https" || (scheme == "http" && ["localhost", "127.0.0.1", "[::1]", "::1"].contains(host))
    else { return [:] }
    func secret(_ name: String) throws -> String? {
      for id in ["\(name).\(place)", "\(name).\(host)", name] {
        guard let bytes = try request.secrets[id]?.bytes(id) else { continue }
        return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
      }
      return nil
    }
    let header =
      try secret("GIT_AUTH_HEADER")
      ?? secret("GIT_AUTH_TOKEN").map { token in
        "basic " + Data("x-access-token:\(token)".utf8).base64EncodedString()
      }
    guard let header else { return [:] }
    return [
      "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.\(scheme)://\(place)/.extraHeader",
      "GIT_CONFIG_VALUE_0": "Authorization: \(header)",
    ]
  }

  /// What git's own words mean, which it writes in English; see `LC_ALL`.
  static func failure(of command: String, _ errors: String) -> EngineError {
    func says(_ words: String...) -> Bool { words.contains { errors.contains($0) } }
    var error = EngineError(
      .unreachable, "git \(command) failed", subject: "git",
      causes: errors.split(separator: "\n").suffix(5).map(String.init))
    if says("No space left on device") {
      error.kind = .noSpace
      error.hint = "make room; `prune` tells what may go"
    } else if says("Authentication failed", "could not read Username", "could not read Password") {
      error.kind = .unauthorized
      error.hint =
        "give the build the secret GIT_AUTH_TOKEN, or GIT_AUTH_HEADER; where nothing needs one, check the address"
    } else if says("Permission denied (") {
      error.kind = .unauthorized
      error.hint = "give the build an SSH agent with the key (--ssh default)"
    } else if says("Host key verification failed") {
      error.hint = "connect to it once with ssh, so that known_hosts has its key"
    } else if says("Could not resolve host", "Failed to connect", "Couldn't connect", "Connection refused") {
      error.hint = "is the server running, and its address right?"
    } else if says("not found", "does not appear to be a git repository") {
      error.hint = "check the repository's address"
    }
    return error
  }

  /// - Parameter repository: whose server may be asked with secrets; nil where none is asked.
  private func git(_ arguments: [String], for repository: String? = nil) async throws -> String {
    let environment = ProcessInfo.processInfo.environment
    let directories = (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
    guard let program = directories.map({ FilePath(String($0)).appending("git") }).first(where: fileExists)
    else {
      throw EngineError(
        .unsupported, "cannot fetch a git repository: git is not installed", subject: "git",
        hint: "install it; Debian's package is git")
    }
    var variables = try credentials(for: repository ?? "")
    variables.merge([
      "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
      "GIT_ASKPASS": "/bin/false", "GIT_PROTOCOL_FROM_USER": "0", "LC_ALL": "C.UTF-8",
      // Where no .netrc is.
      "HOME": "/nonexistent", "GIT_SSH_COMMAND": sshCommand(home: environment["HOME"]),
    ]) { $1 }
    for name in ["PATH"] + BuildInputs.proxies { variables[name] = environment[name] }
    for name in BuildInputs.proxies { variables[name] = request.arguments[name] ?? variables[name] }
    let list = variables.map { "\($0.key)=\($0.value)" }
    return try await untilCancelled { isCancelled in
      try await onBlockingThread("git") {
        let result: ProgramResult
        do {
          result = try runProgram(
            program, arguments: ["git"] + arguments, environment: list, input: [], limit: 16 << 20,
            patience: .seconds(3600), isCancelled: isCancelled)
        } catch let error as SystemError where error.errno == .canceled {
          throw EngineError.cancelled("fetching a git repository")
        }
        guard result.status == .exited(code: 0) else {
          let command = arguments.first { !$0.hasPrefix("-") && !$0.hasPrefix("/") } ?? ""
          throw Self.failure(of: command, String(decoding: result.errors.suffix(2000), as: UTF8.self))
        }
        return String(decoding: result.output, as: UTF8.self)
      }
    }
  }
}
