import EngineErrors
import LinuxSystem
import Synchronization
package import SystemPackage

/// Where an archive goes that the engine writes.
package enum ArchiveOutput: Sendable {
  /// A file, which takes the place of one that is there when it is whole and durable, and not before.
  case file(FilePath)
  /// An open pipe or file, which stays the caller's.
  case descriptor(FileDescriptor)
}

/// Runs `body` on a thread of its own with what takes an archive's bytes.
///
/// - Returns: how many there were.
/// - Throws: what `body` throws; `noSpace`, `notFound` for a missing directory, `invalidArgument` where something is in
///   the file's place that is no file. After an error or a cancellation nothing is left of a file.
func writeArchive(
  to output: ArchiveOutput, progress: TaskProgress,
  _ body: @escaping @Sendable ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
) async throws -> Int64 {
  try await untilCancelled { isCancelled in
    try await onBlockingThread("archive-write") {
      var written: Int64 = 0
      func write(_ bytes: UnsafeRawBufferPointer, to file: FileDescriptor) throws {
        if isCancelled() { throw EngineError.cancelled("writing the archive") }
        try file.writeFully(bytes)
        written += Int64(bytes.count)
        progress.report(written)
      }
      switch output {
      case .descriptor(let descriptor): try body { try write($0, to: descriptor) }
      case .file(let path):
        try replacing(path, by: .regular) { fresh in
          let file = try FileDescriptor.open(
            fresh, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec, .noFollow],
            permissions: [.ownerReadWrite, .groupRead, .otherRead])
          defer { try? file.close() }
          try body { try write($0, to: file) }
          try file.sync()
        }
      }
      return written
    }
  }
}

/// Makes a file or a directory beside its place, and gives it its name when it is whole. Blocks.
///
/// - Parameter make: makes it, durably, under the name that it is called with.
func replacing(_ path: FilePath, by kind: FileKind, _ make: (FilePath) throws -> Void) throws {
  let path = resolvingLinks(path)
  guard let name = path.lastComponent else {
    throw EngineError(.invalidArgument, "there is no name to write to in \(path)", subject: path.string)
  }
  if let present = fileKind(path), present != kind {
    throw EngineError(
      .invalidArgument, "cannot write \(path): something else is there", subject: path.string,
      hint: kind == .directory ? "give the name of a directory that is not there" : "give the name of a file")
  }
  let parent = path.removingLastComponent()
  let fresh = parent.appending(".\(name.string.prefix(100)).coracle-\(UInt64.random(in: .min ... .max))")
  do {
    try make(fresh)
    Failpoint.archiveWritten.pass()
    try rename(fresh, to: path)
    Failpoint.archiveRenamed.pass()
    let directory = try openDirectory(parent.isEmpty ? "." : parent)
    try directory.descriptor.sync()
  } catch {
    try? removeTree(fresh)
    throw EngineError("write \(path)", wrapping: error, subject: path.string)
  }
}

/// Runs `body`, which blocks elsewhere, with a question that is true once the task was cancelled.
func untilCancelled<Result: Sendable>(
  _ body: (_ isCancelled: @escaping @Sendable () -> Bool) async throws -> Result
) async throws -> Result {
  let flag = CancellationFlag()
  return try await withTaskCancellationHandler {
    try await body { flag.isSet.load(ordering: .relaxed) }
  } onCancel: {
    flag.isSet.store(true, ordering: .relaxed)
  }
}

private final class CancellationFlag: Sendable {
  let isSet = Atomic(false)
}
