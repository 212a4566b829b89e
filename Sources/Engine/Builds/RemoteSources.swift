import Dockerfile
import EngineErrors
import LinuxSystem
import SystemPackage

/// What a build takes from elsewhere: files of the web and git repositories, for ADD and as contexts.
package struct RemoteSources: Sendable {
  let engine: ContainerEngine
  let request: BuildRequest
  let reporter: TaskReporter

  /// Whether a context is an address, and no path. The REPL has the same rule, `ContextAddress`.
  package static func isAddress(_ text: String) -> Bool {
    if ["http://", "https://", "git://", "ssh://"].contains(where: { text.hasPrefix($0) }) { return true }
    // git's short form for SSH: `user@host:path`.
    func consists(_ part: Substring, of others: String) -> Bool {
      !part.isEmpty && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) || others.contains($0) }
    }
    guard let at = text.firstIndex(of: "@"), let colon = text[at...].firstIndex(of: ":") else { return false }
    return consists(text[..<at], of: "_-") && consists(text[text.index(after: at)..<colon], of: ".-")
  }

  /// For an address that stands in no Dockerfile.
  static func failure(of context: String) -> GitAddress.Failure {
    { EngineError(.invalidArgument, "the context \(context.prefix(200)): \($0)", subject: context, hint: $1) }
  }

  /// The files of a git repository, or a directory with the one file that another address names.
  func root(of text: String) async throws -> SourceRoot {
    guard var address = try GitAddress(text, Self.failure(of: text)) else {
      guard text.hasPrefix("http://") || text.hasPrefix("https://") else {
        throw EngineError(
          .unsupported, "a build takes nothing from \(text.prefix(200))", subject: text,
          hint: "give a directory, docker-image://NAME, oci-layout://PATH, or an address of git or the web")
      }
      return try await fetch(text, checksum: nil, Self.failure(of: text))
    }
    if request.keepsGitDirectory { address.keepsGitDirectory = true }
    let commit = try await commit(of: address)
    try check(commit, address)
    let root = try await fetch(address, commit)
    if address.directory.isEmpty { return root }
    let directory: FileDescriptor
    do {
      directory = try root.descriptor.openDirectoryInRoot(FilePath("/" + address.directory)).release()
    } catch {
      throw EngineError("open \(address.directory) of \(address.repository)", wrapping: error, subject: text)
    }
    // It is there as long as the whole is.
    return SourceRoot(OwnedDescriptor(directory), name: text, isContext: true) {
      withExtendedLifetime(root) {}
    }
  }
}

extension BuildRun {
  var remote: RemoteSources {
    RemoteSources(engine: engine, request: request, reporter: reporter)
  }
}
