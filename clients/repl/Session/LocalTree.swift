import Glibc
import RPCModel

/// A file of this machine that is copied elsewhere, or a directory with all that is in it.
struct LocalTree {
  /// Absolute, without `.` and `..`.
  private let path: String
  /// It ends in `/.`: what is in the directory, and not the directory, is meant.
  private let isContents: Bool
  let isDirectory: Bool

  /// - Parameter source: a slash at its end follows a link.
  /// - Throws: where it is not there.
  init(_ source: String) throws {
    var (parent, last) = FarFiles.split(source)
    var path = parent == "/" ? "/\(last)" : "\(parent)/\(last)"
    var found = stat()
    func look(_ how: (UnsafePointer<CChar>, UnsafeMutablePointer<stat>) -> CInt) throws {
      guard how(path, &found) == 0 else {
        throw systemFailure("cannot read \(source)", errno, subject: source)
      }
    }
    try look { lstat($0, $1) }
    if found.st_mode & S_IFMT == S_IFLNK, source.hasSuffix("/") {
      guard let target = realpath(path, nil) else {
        throw systemFailure("cannot read \(source)", errno, subject: source)
      }
      defer { free(target) }
      path = String(cString: target)
      (parent, last) = FarFiles.split(path)
      try look { lstat($0, $1) }
    }
    isContents = source.hasSuffix("/.") || last == "."
    if isContents {
      try look { stat($0, $1) }
      guard found.st_mode & S_IFMT == S_IFDIR else {
        throw systemFailure("cannot read \(source)", ENOTDIR, subject: source)
      }
    }
    isDirectory = found.st_mode & S_IFMT == S_IFDIR
    self.path = path
  }

  /// As an archive that has it under its own name or another one; of contents what is in the directory, or a directory of that name.
  func archive(as name: String?) throws -> LocalFile {
    if isContents {
      let renaming = name.map { ["--transform", Self.renaming(from: #"\."#, to: $0)] } ?? []
      return try LocalFile.archive(["-C", path] + renaming + ["-cf", "-", "."])
    }
    let (parent, last) = FarFiles.split(path)
    let renaming = name.map { ["--transform", Self.renaming(from: #"\./[^/]*"#, to: $0)] } ?? []
    return try LocalFile.archive(["-C", parent] + renaming + ["-cf", "-", "./\(last)"])
  }

  /// What tar(1) renames members by, and what hard links lead to, but no symbolic links.
  private static func renaming(from pattern: String, to name: String) -> String {
    let plain = name.map { "\\&,".contains($0) ? "\\\($0)" : String($0) }.joined()
    return "flags=rSh;s,^\(pattern),\(plain),"
  }
}
