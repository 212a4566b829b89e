import Dockerfile
import EngineErrors
import Foundation

/// A git repository as ADD names it: where it is, and what of it is meant.
struct GitAddress: Hashable, Sendable {
  /// As git takes it.
  private(set) var repository: String
  /// A branch, a tag, a full name below `refs/`, or a commit; nil for what the repository has as its own.
  private(set) var reference: String?
  /// A directory in it.
  private(set) var directory = ""
  /// Digits that the commit's name begins with.
  private(set) var checksum: String?
  /// Whether `.git` is copied as well.
  var keepsGitDirectory = false
  /// The same as the address itself says it.
  private(set) var saysKeepsGitDirectory: Bool?
  private(set) var hasSubmodules = true

  /// Makes the error that tells of an address, from its message and its hint: it knows where the address stands.
  typealias Failure = (String, String?) -> EngineError

  static func failure(_ word: Word, _ file: SourceFile) -> Failure {
    { file.error("ADD: \($0)", at: word.position, hint: $1) }
  }

  /// Nil for what is no git repository.
  ///
  /// - Throws: `invalidArgument` for what BuildKit's form has no word for.
  init?(_ text: String, _ failure: Failure) throws(EngineError) {
    let isWeb = text.hasPrefix("http://") || text.hasPrefix("https://")
    guard RemoteSources.isAddress(text) else { return nil }
    let parts = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let halves = parts[0].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(
      String.init)
    repository = halves[0]
    if isWeb, !repository.hasSuffix(".git") { return nil }
    func fail(_ message: String, _ hint: String? = nil) -> EngineError { failure(message, hint) }
    if parts.count == 2 {
      let fields = parts[1].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(
        String.init)
      if !fields[0].isEmpty { reference = fields[0] }
      if fields.count == 2 { directory = fields[1] }
    }
    if halves.count == 2 {
      guard parts.count == 1 else { throw fail("a git address has a query or a fragment, not both: \(text)") }
      for field in halves[1].split(separator: "&") {
        let pair = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
          String.init)
        let value = pair.count == 2 ? pair[1].removingPercentEncoding ?? pair[1] : ""
        switch pair[0] {
        case "ref": reference = value
        case "branch": reference = "refs/heads/" + value
        case "tag": reference = "refs/tags/" + value
        case "subdir": directory = value
        case "checksum", "commit": try setChecksum(value, failure)
        case "keep-git-dir":
          keepsGitDirectory = value != "false" && value != "0"
          saysKeepsGitDirectory = keepsGitDirectory
        case "submodules": hasSubmodules = value != "false" && value != "0"
        default:
          throw fail(
            "a git address has no \(pair[0])",
            NearMiss.hint(
              pair[0], in: ["ref", "branch", "tag", "subdir", "checksum", "keep-git-dir", "submodules"]))
        }
      }
    }
    // What git would take for an option, or for something else than a name.
    if let reference,
      reference.isEmpty || reference.hasPrefix("-")
        || reference.contains(where: { " \t\n:?*[\\^~".contains($0) })
    {
      throw fail("'\(reference)' is not the name of a branch, a tag or a commit")
    }
    directory = IgnoreRules.clean(directory.hasPrefix("/") ? String(directory.dropFirst()) : directory)
    if directory == "." { directory = "" }
    guard directory != "..", !directory.hasPrefix("../") else {
      throw fail("'\(directory)' is outside of the repository")
    }
  }

  /// - Throws: `invalidArgument` for what is no commit's name, or another one than was said before.
  mutating func setChecksum(_ text: String, _ failure: Failure) throws(EngineError) {
    guard (7...64).contains(text.utf8.count), Self.isHexadecimal(text) else {
      throw failure(
        "'\(text.prefix(100))' is not the name of a commit", "write it as 40 hexadecimal digits")
    }
    let digits = text.lowercased()
    guard let before = checksum else {
      checksum = digits
      return
    }
    guard before.hasPrefix(digits) || digits.hasPrefix(before) else {
      throw failure(
        "the checksum \(digits) is not the one that was said before: \(before)", "leave one of them out")
    }
    if digits.utf8.count > before.utf8.count { checksum = digits }
  }

  /// What is known of the commit without asking.
  var knownCommit: String? {
    [checksum, reference].compactMap { $0 }.first { $0.utf8.count >= 40 && Self.isHexadecimal($0) }
  }

  static func isHexadecimal(_ text: String) -> Bool {
    text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) || (65...70).contains($0) }
  }
}
