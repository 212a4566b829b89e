import Foundation
import Glibc
import RPCModel
import Synchronization

/// A file of this machine that a service on another one reads through a stream.
final class LocalFile: Sendable {
  let descriptor: CInt
  private let end: ProgramEnd?

  private init(_ descriptor: CInt, _ end: ProgramEnd? = nil) {
    self.descriptor = descriptor
    self.end = end
  }

  /// Waits until whoever makes the archive has ended.
  ///
  /// - Throws: where that failed: the archive is not whole then.
  func finish() async throws {
    guard let status = await end?.status, status != 0 else { return }
    throw Self.failure(
      "tar could not read the whole directory", .permissionDenied,
      "tar has said above what it could not read: change its mode, or leave it out")
  }

  deinit { close(descriptor) }

  /// An archive, or a directory as one.
  static func reading(_ path: String) throws -> LocalFile {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
      return try archive(of: path)
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw systemFailure("cannot read \(path)", errno, subject: path) }
    return LocalFile(descriptor)
  }

  private static func archive(of directory: String) throws -> LocalFile {
    guard let pipe = makePipe() else { throw systemFailure("cannot make a pipe", errno) }
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/env")
    tar.arguments = ["tar", "-C", directory, "-cf", "-", "."]
    tar.standardInput = FileHandle.nullDevice
    tar.standardOutput = FileHandle(fileDescriptor: pipe.write, closeOnDealloc: false)
    let end = ProgramEnd()
    tar.terminationHandler = { end.report($0.terminationStatus) }
    let file = LocalFile(pipe.read, end)
    // Its end is seen when nobody has the other one open any more.
    defer { close(pipe.write) }
    do { try tar.run() } catch { throw failure("cannot run tar: \(error)", .unsupported, "install tar") }
    return file
  }

  private static func failure(_ message: String, _ kind: ErrorKind, _ hint: String) -> RPCError {
    RPCError(
      code: 0, message: message, data: ErrorData(kind: kind, retriable: false, causes: [], hint: hint))
  }
}

/// How a program has ended, for any number of tasks that wait for it.
private final class ProgramEnd: Sendable {
  private let ended: AsyncStream<Void>
  private let end: AsyncStream<Void>.Continuation
  private let found = Mutex<Int32?>(nil)

  init() { (ended, end) = AsyncStream.makeStream() }

  func report(_ status: Int32) {
    found.withLock { $0 = status }
    end.finish()
  }

  /// Nil in a task that is cancelled before.
  var status: Int32? {
    get async {
      for await _ in ended {}
      return found.withLock { $0 }
    }
  }
}
