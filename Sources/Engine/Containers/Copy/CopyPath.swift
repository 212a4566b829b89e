import EngineErrors
import LinuxSystem
import SystemPackage

/// A path as a copy names it.
struct CopyPath {
  /// Whose it is, for messages.
  enum Side: String {
    case container = "in the container"
    case host = "on the service's machine"
  }

  let side: Side
  /// Absolute, without `.`, `..` and empty components.
  let path: FilePath
  /// It ends in `/.`: what is in the directory, and not the directory, is meant.
  let meansContents: Bool
  /// It ends in `/`: it must be a directory.
  let meansDirectory: Bool

  /// - Throws: `invalidArgument` for one that is not absolute, or has a NUL in it.
  init(_ text: String, of what: String, _ side: Side) throws(EngineError) {
    self.side = side
    guard text.hasPrefix("/"), !text.utf8.contains(0) else {
      throw EngineError(
        .invalidArgument, "the \(what) is not an absolute path: \(text.prefix(200))", subject: text,
        hint: "give a path that begins with /")
    }
    meansContents = text.hasSuffix("/.")
    meansDirectory = text.hasSuffix("/") || meansContents
    path = FilePath(text).lexicallyNormalized()
  }

  /// Where a copy of something called `name` goes: beneath which directory, and under which name; nil for contents.
  func place(
    for name: [UInt8]?, isDirectory: Bool, in root: FileDescriptor
  ) throws -> (directory: FilePath, name: [UInt8]?) {
    let present = try root.statusInRoot(path)
    if present?.kind == .directory { return (path, name) }
    if let present, isDirectory || meansDirectory {
      throw EngineError(
        .conflict,
        "cannot copy a directory over \(path), which is \(present.kind == .regular ? "a file" : "none")",
        subject: path.string, hint: "remove it first, or copy to another name")
    }
    guard name != nil || present == nil else {
      throw EngineError(
        .conflict, "cannot copy into \(path): it is no directory", subject: path.string,
        hint: "remove it first, or copy to another name")
    }
    // The copy gets the target's own name, in a directory that is there.
    let parent = path.removingLastComponent()
    guard let last = path.lastComponent, try root.statusInRoot(parent)?.kind == .directory,
      !meansDirectory || isDirectory
    else {
      throw EngineError(
        .notFound, "there is no directory \(meansDirectory ? path : parent) \(side.rawValue)",
        subject: path.string, hint: "make it first, or name one that is there")
    }
    return (parent, Array(last.string.utf8))
  }
}
