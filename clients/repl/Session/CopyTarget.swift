import Glibc
import RPCModel

/// Where a copy goes on this machine.
struct CopyTarget {
  /// It is there, and gets the copy.
  let directory: String
  /// What the copy is called in it; nil for its own name.
  let name: String?
  /// As it was typed, absolute.
  private let path: String
  private let meansDirectory: Bool
  private let isThere: Bool

  /// - Parameter isContents: what is in a directory is copied, without a name of its own.
  /// - Throws: where something else has the name, or its directory is not there.
  init(_ path: String, isContents: Bool) throws {
    self.path = path
    meansDirectory = path.hasSuffix("/") || path.hasSuffix("/.")
    var found = stat()
    let (parent, last) = FarFiles.split(path)
    let whole = parent == "/" ? "/\(last)" : "\(parent)/\(last)"
    isThere = stat(whole, &found) == 0
    if isThere, found.st_mode & S_IFMT == S_IFDIR {
      (directory, name) = (whole, nil)
      return
    }
    (directory, name) = (parent, last)
    guard stat(parent, &found) == 0, found.st_mode & S_IFMT == S_IFDIR else { throw Self.missing(parent) }
    if isContents || meansDirectory { try refuseDirectoryOverFile() }
  }

  /// - Throws: where a copy that is a directory, or is none, cannot have the name.
  func check(isDirectory: Bool) throws {
    if isDirectory, name != nil { try refuseDirectoryOverFile() }
    if !isDirectory, name != nil, meansDirectory { throw Self.missing(path) }
  }

  private func refuseDirectoryOverFile() throws {
    if isThere { throw FetchedTree.conflict(path) }
  }

  private static func missing(_ path: String) -> RPCError {
    LocalFile.failure(
      "there is no directory \(path) on this machine", .notFound, "make it first, or name one that is there")
  }
}
