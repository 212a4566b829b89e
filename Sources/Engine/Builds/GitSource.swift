import Dockerfile
import EngineErrors
import Foundation
import LinuxSystem
import SystemPackage

/// What ADD takes of a git repository, through the host's `git`, which neither asks nor reads anybody's configuration.
extension BuildRun {
  /// The commit that an address stands for now.
  ///
  /// - Throws: `notFound` for a name that the repository does not have.
  func commit(of address: GitAddress) async throws -> String {
    if let known = address.knownCommit { return known.lowercased() }
    return try await lookUp(address)
  }

  private func lookUp(_ address: GitAddress) async throws -> String {
    let name = address.reference ?? "HEAD"
    let listed = try await git(["ls-remote", "--", address.repository])
    var found: [String: String] = [:]
    for line in listed.split(separator: "\n") {
      let fields = line.split(separator: "\t", maxSplits: 1).map(String.init)
      if fields.count == 2 { found[fields[1]] = fields[0] }
    }
    // Of a tag that is an object of its own, what it stands for.
    for full in [name, "refs/heads/\(name)", "refs/tags/\(name)"] {
      if let commit = found[full + "^{}"] ?? found[full] { return commit }
    }
    throw EngineError(
      .notFound, "\(address.repository) has no \(name)", subject: name,
      hint: NearMiss.hint(
        name, in: found.keys.map { String($0.split(separator: "/").last ?? "") })
        ?? "name a branch, a tag or a commit")
  }

  /// The files of a commit, in a directory of their own until they have been copied.
  ///
  /// - Throws: `digestMismatch` where the commit is not the one that was to be.
  func fetch(_ address: GitAddress, _ commit: String) async throws -> SourceRoot {
    let step = try engine.prepareStep()
    do {
      let place = step.upper
      func inPlace(_ arguments: [String]) async throws -> String {
        try await git(["-C", place.string] + arguments)
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
        try await onBlockingThread("git") { try Self.removeGitDirectories(place) }
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
  private static func removeGitDirectories(_ place: FilePath) throws {
    try removeTree(place.appending(".git"))
    guard let names = FileManager.default.enumerator(atPath: place.string) else { return }
    for case let name as String in names where name.hasSuffix("/.git") {
      try removeTree(place.appending(name))
    }
  }

  private func git(_ arguments: [String]) async throws -> String {
    let environment = ProcessInfo.processInfo.environment
    let directories = (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
    guard let program = directories.map({ FilePath(String($0)).appending("git") }).first(where: fileExists)
    else {
      throw EngineError(
        .unsupported, "cannot fetch a git repository: git is not installed", subject: "git",
        hint: "install it; Debian's package is git")
    }
    var variables = [
      "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
      "GIT_ASKPASS": "/bin/false",
      "GIT_SSH_COMMAND": "ssh -F /dev/null -o BatchMode=yes", "GIT_PROTOCOL_FROM_USER": "0",
      "LC_ALL": "C.UTF-8",
    ]
    for name in ["PATH", "HOME"] + BuildInputs.proxies { variables[name] = environment[name] }
    for name in BuildInputs.proxies { variables[name] = request.arguments[name] ?? variables[name] }
    variables["SSH_AUTH_SOCK"] = request.agents["default"]?.string
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
          let errors = String(decoding: result.errors.suffix(2000), as: UTF8.self)
          throw EngineError(
            .unreachable, "git \(arguments.first { !$0.hasPrefix("-") && !$0.hasPrefix("/") } ?? "") failed",
            subject: "git",
            causes: errors.split(separator: "\n").suffix(5).map(String.init))
        }
        return String(decoding: result.output, as: UTF8.self)
      }
    }
  }
}
