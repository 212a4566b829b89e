import Glibc
import RPCModel

/// What comes out of a container, in a directory of its own beside its place until all of it is there.
struct FetchedTree {
  private let place: String
  /// What has come.
  var tree: String { place + "/tree" }
  /// What tar says.
  var said: String { place + "/said" }

  init(in directory: String) throws {
    let template = directory + (directory.hasSuffix("/") ? "" : "/") + ".coracle-copy-XXXXXX"
    guard let made = template.withCString({ strdup($0) }) else { throw systemFailure("cannot copy", ENOMEM) }
    defer { free(made) }
    guard mkdtemp(made) != nil else {
      throw systemFailure("cannot write in \(directory)", errno, subject: directory)
    }
    place = String(cString: made)
    if mkdir(tree, 0o777) != 0 {
      let error = errno
      remove()
      throw systemFailure("cannot write in \(directory)", error, subject: directory)
    }
  }

  /// Puts all of it in its place, or nothing: what may not be replaced is looked for first.
  func move(to target: CopyTarget, isContents: Bool) throws {
    let root = PathBytes(tree)
    let directory = PathBytes(target.directory)
    let names = try root.names()
    if isContents || names.count != 1 {
      try target.check(isDirectory: true)
      if let name = target.name { return try root.move(to: directory.appending(Array(name.utf8))) }
      try root.checkMerge(into: directory)
      return try root.merge(into: directory)
    }
    for name in names {
      let source = root.appending(name)
      try target.check(isDirectory: source.isDirectory)
      let place = directory.appending(target.name.map { Array($0.utf8) } ?? name)
      try source.check(onto: place)
      try source.move(onto: place)
    }
  }

  /// Leaves nothing of what was not moved.
  func remove() { PathBytes(place).removeTree() }

  static func conflict(_ path: String) -> RPCError {
    RPCError(
      .conflict, "cannot copy a directory over \(path), which is a file", subject: path,
      hint: "remove it first, or copy to another name")
  }
}
