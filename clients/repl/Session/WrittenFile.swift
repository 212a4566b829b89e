import Foundation
import Glibc
import RPCModel

/// A file of this machine that a request writes through a stream. It is beside its place, and takes its name when it is whole:
/// what had the name stays until then. A device or a pipe is written as it is.
final class WrittenFile: Sendable {
  let descriptor: CInt
  private let path: String
  /// Nil where there is nothing that could take the name.
  private let fresh: String?

  init(_ path: String) throws {
    var found = stat()
    let isThere = stat(path, &found) == 0
    if isThere, found.st_mode & S_IFMT != S_IFREG {
      (self.path, fresh) = (path, nil)
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
    } else {
      // A link goes on leading to what it leads to.
      let place = isThere ? URL(filePath: path).resolvingSymlinksInPath().path(percentEncoded: false) : path
      let url = URL(filePath: place)
      let name = ".\(url.lastPathComponent.prefix(60)).coracle-\(UInt64.random(in: .min ... .max))"
      let fresh = url.deletingLastPathComponent().appending(path: name).path(percentEncoded: false)
      (self.path, self.fresh) = (place, fresh)
      descriptor = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    }
    if descriptor < 0 { throw systemFailure("cannot write \(path)", errno, subject: path) }
  }

  /// Gives the file its name, durably.
  func keep() throws {
    guard let fresh else { return }
    if fsync(descriptor) != 0 || rename(fresh, path) != 0 {
      throw systemFailure("cannot write \(path)", errno, subject: path)
    }
  }

  /// Leaves nothing of it.
  func discard() { if let fresh { unlink(fresh) } }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
