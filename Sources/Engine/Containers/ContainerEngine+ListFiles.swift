import EngineErrors
package import LinuxSystem
import SystemPackage

/// A name in a directory of a container.
package struct ContainerFile: Hashable, Sendable {
  package var name: String
  package var kind: FileKind
  /// Whether it is a directory, or a link that leads to one in the container.
  package var isDirectory: Bool
}

extension ContainerEngine {
  /// Names in a directory of a container, with all that is mounted in it, sorted by their bytes. Those that are no UTF-8 are left
  /// out. A container that does not run is not started meanwhile.
  ///
  /// - Parameter prefix: what they begin with.
  /// - Returns: ten thousand at most, since whoever is in the container decides how many there are; and whether there are more.
  /// - Throws: `notFound` for what is no directory; as `openRoot`. Cancellation ends it at once.
  package func listFiles(_ name: String, in path: String, beginningWith prefix: String) async throws
    -> (files: [ContainerFile], isCut: Bool)
  {
    let place = try CopyPath(path, of: "path", .container)
    let root = try await openRoot(of: name)
    let descriptor = root.directory.descriptor
    let listed = try await untilCancelled { isCancelled in
      try await onBlockingThread("list") { try Self.files(place, of: descriptor, prefix, isCancelled) }
    }
    withExtendedLifetime(root) {}
    return listed
  }

  private static let mostFiles = 10_000

  private static func files(
    _ place: CopyPath, of root: FileDescriptor, _ prefix: String, _ isCancelled: () -> Bool
  ) throws -> (files: [ContainerFile], isCut: Bool) {
    let directory: OwnedDescriptor
    do { directory = try root.openDirectoryInRoot(place.path) } catch {
      switch error.errno {
      case .noSuchFileOrDirectory, .notDirectory:
        throw EngineError(
          .notFound, "there is no directory \(place.path) in the container", subject: place.path.string,
          hint: "look whether the path is written right")
      default: throw EngineError("list \(place.path) in the container", error, subject: place.path.string)
      }
    }
    var files: [ContainerFile] = []
    var isCut = false
    let beginning = Array(prefix.utf8)
    do {
      try directory.descriptor.forEachEntry(isNew: true) { name, kind in
        if isCancelled() { throw EngineError.cancelled("listing files") }
        guard !isCut, let text = String(validatingCString: name), text.utf8.starts(with: beginning) else {
          return
        }
        guard files.count < mostFiles else {
          isCut = true
          return
        }
        files.append(ContainerFile(name: text, kind: kind, isDirectory: kind == .directory))
      }
      for index in files.indices where [.symbolicLink, .unknown].contains(files[index].kind) {
        if isCancelled() { throw EngineError.cancelled("listing files") }
        let path = place.path.appending(files[index].name)
        if files[index].kind == .unknown,
          let status = try directory.descriptor.status(of: Array(files[index].name.utf8).cString)
        {
          files[index].kind = status.kind
        }
        // A link that leads nowhere, or in circles, is one all the same.
        files[index].isDirectory = (try? root.statusInRoot(path))?.kind == .directory
      }
    } catch {
      throw EngineError("list \(place.path) in the container", wrapping: error, subject: place.path.string)
    }
    files.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    return (files, isCut)
  }
}
