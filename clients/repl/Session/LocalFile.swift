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
      return try archive(["-C", path, "-cf", "-", "."])
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw systemFailure("cannot read \(path)", errno, subject: path) }
    return LocalFile(descriptor)
  }

  /// All that is in a file.
  static func content(of path: String) throws -> Data {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw systemFailure("cannot read \(path)", errno, subject: path) }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    var found = stat()
    guard fstat(descriptor, &found) == 0, found.st_mode & S_IFMT != S_IFDIR else {
      throw systemFailure("cannot read \(path)", EISDIR, subject: path)
    }
    do { return try file.readToEnd() ?? Data() } catch {
      throw systemFailure("cannot read \(path)", EIO, subject: path)
    }
  }

  /// What tar(1) writes.
  static func archive(_ arguments: [String]) throws -> LocalFile {
    guard let pipe = makePipe() else { throw systemFailure("cannot make a pipe", errno) }
    // Its end is seen when nobody has the other one open any more.
    defer { close(pipe.write) }
    do {
      return LocalFile(pipe.read, try tar(arguments, output: pipe.write))
    } catch {
      close(pipe.read)
      throw error
    }
  }

  /// - Parameters: descriptors that stay the caller's; without one there is nothing to read, or it goes where this program's does.
  static func tar(_ arguments: [String], input: CInt? = nil, output: CInt? = nil, errors: CInt? = nil) throws
    -> ProgramEnd
  {
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/env")
    tar.arguments = ["tar"] + arguments
    tar.standardInput =
      input.map { FileHandle(fileDescriptor: $0, closeOnDealloc: false) } ?? FileHandle.nullDevice
    if let output { tar.standardOutput = FileHandle(fileDescriptor: output, closeOnDealloc: false) }
    if let errors { tar.standardError = FileHandle(fileDescriptor: errors, closeOnDealloc: false) }
    let end = ProgramEnd()
    tar.terminationHandler = { end.report($0.terminationStatus) }
    do { try tar.run() } catch { throw failure("cannot run tar: \(error)", .unsupported, "install tar") }
    return end
  }

  static func failure(_ message: String, _ kind: ErrorKind, _ hint: String) -> RPCError {
    RPCError(kind, message, hint: hint)
  }
}

/// How a program has ended, for any number of tasks that wait for it.
final class ProgramEnd: Sendable {
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
