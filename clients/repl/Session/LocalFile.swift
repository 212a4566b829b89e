import Foundation
import Glibc
import RPCModel

/// A file of this machine that a service on another one reads or writes through a stream.
final class LocalFile: Sendable {
  let descriptor: CInt
  private let tar: Process?

  private init(_ descriptor: CInt, _ tar: Process? = nil) {
    self.descriptor = descriptor
    self.tar = tar
  }

  deinit { close(descriptor) }

  /// An archive, or a directory as one.
  static func reading(_ path: String) throws -> LocalFile {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
      return try archive(of: path)
    }
    return LocalFile(try opened(path, O_RDONLY, "read"))
  }

  static func writing(_ path: String) throws -> LocalFile {
    LocalFile(try opened(path, O_WRONLY | O_CREAT | O_TRUNC, "write"))
  }

  private static func opened(_ path: String, _ flags: CInt, _ what: String) throws -> CInt {
    let descriptor = open(path, flags | O_CLOEXEC, 0o666)
    if descriptor < 0 {
      throw failure("cannot \(what) \(path)", errno == ENOENT ? .notFound : .permissionDenied)
    }
    return descriptor
  }

  private static func archive(of directory: String) throws -> LocalFile {
    guard let pipe = makePipe() else { throw failure("cannot make a pipe", .internal) }
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/env")
    tar.arguments = ["tar", "-C", directory, "-cf", "-", "."]
    tar.standardInput = FileHandle.nullDevice
    tar.standardOutput = FileHandle(fileDescriptor: pipe.write, closeOnDealloc: false)
    let file = LocalFile(pipe.read, tar)
    // Its end is seen when nobody has the other one open any more.
    defer { close(pipe.write) }
    do { try tar.run() } catch { throw failure("cannot run tar: \(error)", .unsupported) }
    return file
  }

  private static func failure(_ message: String, _ kind: ErrorKind) -> RPCError {
    RPCError(code: 0, message: message, data: ErrorData(kind: kind, retriable: false, causes: []))
  }
}
