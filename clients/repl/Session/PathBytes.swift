import Glibc
import RPCModel

/// A path of this machine whose names need not be UTF-8, and the moving of what it names.
struct PathBytes {
  private var bytes: [CChar]

  init(_ path: String) { bytes = Array(path.utf8CString.dropLast()) }

  func appending(_ name: [UInt8]) -> PathBytes {
    var path = self
    path.bytes += [CChar(bitPattern: UInt8(ascii: "/"))] + name.map { CChar(bitPattern: $0) }
    return path
  }

  private var text: String { String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self) }

  private func call<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    body(bytes + [0])
  }

  /// Of what is itself there, or of what a link leads to.
  private func kind(followsLinks: Bool = false) -> mode_t? {
    var found = stat()
    let status = call { followsLinks ? stat($0, &found) : lstat($0, &found) }
    return status == 0 ? found.st_mode & S_IFMT : nil
  }

  var isDirectory: Bool { kind() == S_IFDIR }

  func names() throws -> [[UInt8]] {
    guard let directory = call({ opendir($0) }) else {
      throw systemFailure("cannot read \(text)", errno, subject: text)
    }
    defer { closedir(directory) }
    var names: [[UInt8]] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
    }
    return names
  }

  // MARK: To its place

  /// - Throws: where a directory and something else would replace each other.
  func check(onto place: PathBytes) throws {
    guard let present = place.kind() else { return }
    if isDirectory {
      guard place.kind(followsLinks: true) == S_IFDIR else { throw FetchedTree.conflict(place.text) }
      try checkMerge(into: place)
    } else if present == S_IFDIR {
      throw RPCError(
        .conflict, "cannot replace the directory \(place.text)", subject: place.text,
        hint: "remove it first, or copy to another name")
    }
  }

  func checkMerge(into place: PathBytes) throws {
    for name in try names() { try appending(name).check(onto: place.appending(name)) }
  }

  func move(onto place: PathBytes) throws {
    if isDirectory, place.kind(followsLinks: true) == S_IFDIR { return try merge(into: place) }
    try move(to: place)
  }

  func merge(into place: PathBytes) throws {
    for name in try names() { try appending(name).move(onto: place.appending(name)) }
  }

  func move(to place: PathBytes) throws {
    // The parent is written in a directory that moves, which takes the right to write it.
    let mode = isDirectory ? permissions : nil
    if let mode, mode & 0o200 == 0 { _ = call { chmod($0, mode | 0o200) } }
    guard call({ from in place.call { rename(from, $0) } }) == 0 else {
      let error = errno
      if let mode { _ = call { chmod($0, mode) } }
      throw systemFailure("cannot write \(place.text)", error, subject: place.text)
    }
    if let mode, mode & 0o200 == 0 { _ = place.call { chmod($0, mode) } }
  }

  private var permissions: mode_t {
    var found = stat()
    return call { lstat($0, &found) } == 0 ? found.st_mode & 0o7777 : 0o700
  }

  /// What cannot be removed stays.
  func removeTree() {
    if isDirectory {
      _ = call { chmod($0, 0o700) }
      for name in (try? names()) ?? [] { appending(name).removeTree() }
      _ = call { rmdir($0) }
    } else {
      _ = call { unlink($0) }
    }
  }
}
