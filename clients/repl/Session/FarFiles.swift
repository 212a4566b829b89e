import Foundation
import Glibc
import RPCModel

/// Files of this machine and of a container whose engine is on another one: tar(1) makes the archive here that goes there, or
/// unpacks the one that comes.
struct FarFiles {
  let session: REPLSession
  let container: String
  /// In the container, absolute.
  let path: String

  /// Copies what is here into the container.
  func put(_ source: String, _ ownership: CopyOwnership?) async throws -> ContainerCopyTo.Result {
    // The engine unpacks in a directory that is there; what the copy is called otherwise is the archive's to say.
    let isThere = try await isDirectory(path)
    let (parent, last) = Self.split(path)
    let file = try LocalFile.tree(source, as: isThere ? nil : last)
    let input = ArchiveInput(session, file)
    let params = ContainerCopyTo.Params(
      container: container, target: isThere || path.hasSuffix("/") ? path : parent, stream: input.stream,
      ownership: ownership)
    return try await input.carry { [session] in try await session.request(ContainerCopyTo.self, params) }
  }

  /// Copies out of the container to a path here, which keeps what it has besides.
  func fetch(_ target: String, keepsOwners: Bool, followsLinks: Bool) async throws
    -> ContainerCopyFrom.Result
  {
    var (directory, name) = (target, String?.none)
    if !Self.isLocalDirectory(target) {
      (directory, name) = Self.split(target)
      if path.hasSuffix("/.") || path == "/" {
        // What is in it becomes what is in a new directory.
        guard mkdir(target, 0o777) == 0 else {
          throw systemFailure("cannot make \(target)", errno, subject: target)
        }
        (directory, name) = (target, nil)
      }
    }
    let unpacking = try Unpacking(into: directory, as: name, keepsOwners: keepsOwners)
    let attachment = Attachment(session, output: unpacking.descriptor)
    let (stream, credit) = attachment.archiveStream
    let params = ContainerCopyFrom.Params(
      container: container, source: path, stream: stream, initialCredit: credit, followLinks: followsLinks)
    let answer: ContainerCopyFrom.Result
    do {
      answer = try await attachment.carry { [session] in
        try await session.request(ContainerCopyFrom.self, params)
      }
    } catch {
      // Why tar had nothing to read is the better reason.
      try? await unpacking.finish()
      throw error
    }
    try await unpacking.finish()
    return answer
  }

  /// Whether it is a directory in the container; also false for one that is not there.
  private func isDirectory(_ path: String) async throws -> Bool {
    do {
      // Nothing has such a name: it is not the list that is wanted.
      _ = try await session.request(
        ContainerListFiles.self, .init(container: container, path: path, prefix: "\u{1}"))
      return true
    } catch let error as RPCError where error.data?.kind == .notFound {
      return false
    }
  }

  private static func isLocalDirectory(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
  }

  /// The directory that a path is in, and its last name.
  static func split(_ path: String) -> (parent: String, last: String) {
    var names: [Substring] = []
    for name in path.split(separator: "/") where name != "." {
      if name == ".." { names = names.dropLast() } else { names.append(name) }
    }
    return ("/" + names.dropLast().joined(separator: "/"), names.last.map(String.init) ?? ".")
  }
}

/// tar(1), which unpacks what is written to it.
private final class Unpacking {
  private(set) var descriptor: CInt
  private let end: ProgramEnd

  /// - Parameter name: instead of the first name of each member; nil for what they are called.
  init(into directory: String, as name: String?, keepsOwners: Bool) throws {
    guard let pipe = makePipe() else { throw systemFailure("cannot make a pipe", errno) }
    descriptor = pipe.write
    // Without these root would get the owners, and files that run as theirs.
    let owners = keepsOwners ? ["-p", "--same-owner"] : ["--no-same-permissions", "--no-same-owner"]
    let renaming = name.map { ["--transform", LocalFile.renaming(from: #"\(\./\)*[^/]*"#, to: $0)] } ?? []
    defer { close(pipe.read) }
    end = try LocalFile.tar(["-C", directory] + owners + renaming + ["-xf", "-"], input: pipe.read)
  }

  /// Waits until all is unpacked.
  func finish() async throws {
    close(descriptor)
    descriptor = -1
    guard let status = await end.status, status != 0 else { return }
    throw LocalFile.failure(
      "tar could not unpack all of it", .permissionDenied, "tar has said above what it could not write")
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
