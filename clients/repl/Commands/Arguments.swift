import Foundation
import RPCModel

/// `NAME=value` pairs as a dictionary. A name alone takes the client's own variable, as with docker.
func assignments(_ list: [String]) throws -> [String: String] {
  var result: [String: String] = [:]
  for entry in list {
    let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard !parts[0].isEmpty else {
      throw RPCError(.invalidArgument, "'\(entry)' is not NAME=value")
    }
    if parts.count == 2 {
      result[parts[0]] = parts[1]
    } else if let value = ProcessInfo.processInfo.environment[parts[0]] {
      result[parts[0]] = value
    }
  }
  return result
}

/// A path as the service understands it, which may have another working directory.
func absolutePath(_ path: String) -> String {
  let home = path == "~" || path.hasPrefix("~/")
  let expanded = home ? NSString(string: path).expandingTildeInPath : path
  return expanded.hasPrefix("/") ? expanded : FileManager.default.currentDirectoryPath + "/" + expanded
}

/// A name as people write it: without what every image of Docker Hub has in front.
struct FamiliarName {
  var text: String

  init(_ reference: String) {
    let prefixes = ["docker.io/library/", "docker.io/"]
    text =
      prefixes.first { reference.hasPrefix($0) }.map { String(reference.dropFirst($0.count)) } ?? reference
  }

  /// That of an image which was just given a name: the same digest may have had others before.
  init?(_ image: ImageSummary, given name: String?) {
    let own = name.map(FamiliarName.init)
    let names = image.references.map(FamiliarName.init)
    guard let first = names.first else { return nil }
    self = names.first { $0.text == own?.text || $0.text == own.map { $0.text + ":latest" } } ?? first
  }
}
