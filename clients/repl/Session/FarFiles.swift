import Foundation
import Glibc
import RPCModel

/// Files of this machine and of a container whose engine is on another one: tar(1) makes the archive here that goes there, or
/// unpacks the one that comes. Where a copy goes is what the engine does with its own machine's files.
struct FarFiles {
  let session: REPLSession
  let container: String
  /// In the container, absolute.
  let path: String

  /// Copies what is here into the container.
  func put(_ source: String, _ ownership: CopyOwnership?) async throws -> ContainerCopyTo.Result {
    let tree = try LocalTree(source)
    // The engine unpacks in a directory that is there; what the copy is called otherwise is the archive's to say. What may not be
    // replaced is the engine's.
    let isThere = try await isDirectory(path)
    let (parent, last) = Self.split(path)
    let isTarget = isThere || path.hasSuffix("/") && !tree.isDirectory
    let file = try tree.archive(as: isTarget ? nil : last)
    let input = ArchiveInput(session, file)
    let params = ContainerCopyTo.Params(
      container: container, target: isTarget ? path : parent, stream: input.stream, ownership: ownership)
    return try await input.carry { [session] in try await session.request(ContainerCopyTo.self, params) }
  }

  /// Copies out of the container to a path here, which keeps what it has besides. Nothing is changed before all has come.
  func fetch(_ target: String, keepsOwners: Bool, followsLinks: Bool) async throws
    -> ContainerCopyFrom.Result
  {
    let isContents = path.hasSuffix("/.") || Self.split(path).last == "."
    let place = try CopyTarget(target, isContents: isContents)
    let fetched = try FetchedTree(in: place.directory)
    defer { fetched.remove() }
    let unpacking = try Unpacking(into: fetched, keepsOwners: keepsOwners)
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
      // tar says why it stopped reading, which is the better reason; that nothing came is none.
      try await unpacking.finish(after: error)
      throw error
    }
    try await unpacking.finish()
    try fetched.move(to: place, isContents: isContents)
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
  private let place: FetchedTree

  init(into place: FetchedTree, keepsOwners: Bool) throws {
    self.place = place
    guard let pipe = makePipe() else { throw systemFailure("cannot make a pipe", errno) }
    descriptor = pipe.write
    // Without these root would get the owners, and files that run as theirs.
    let owners = keepsOwners ? ["-p", "--same-owner"] : ["--no-same-permissions", "--no-same-owner"]
    defer { close(pipe.read) }
    let errors = open(place.said, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard errors >= 0 else { throw systemFailure("cannot write \(place.said)", errno) }
    defer { close(errors) }
    end = try LocalFile.tar(["-C", place.tree] + owners + ["-xf", "-"], input: pipe.read, errors: errors)
  }

  /// Waits until all is unpacked.
  ///
  /// - Parameter error: why not all of it came.
  func finish(after error: (any Error)? = nil) async throws {
    close(descriptor)
    descriptor = -1
    guard let status = await end.status, status != 0 else { return }
    // Where the engine has failed, tar says no more than that the archive is not whole.
    if let error, (error as? RPCError)?.code != 0 { return }
    let said = (try? String(contentsOfFile: place.said, encoding: .utf8)) ?? ""
    throw RPCError(
      .permissionDenied, "tar could not unpack all of it",
      causes: said.split(separator: "\n").prefix(5).map { String($0.trimmingPrefix("tar: ")) },
      hint: "look at the owner and the mode of the directory, and at the space on its disk")
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
