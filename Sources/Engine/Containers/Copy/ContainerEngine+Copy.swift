package import EngineErrors
import Glibc
import Layers
import LinuxSystem
package import SystemPackage

/// Whose copied files are.
package enum CopyOwner: Hashable, Sendable {
  /// As the files are where they come from.
  case kept
  case user(UInt32, group: UInt32)
}

/// What a copy has moved.
package struct CopyResult: Sendable {
  package var entries: Int
  /// Of the archive that it went as.
  package var bytes: Int64
}

/// Files in and out of containers. Every copy is an archive on its way from a reader to a writer; both look names up in
/// the container's root and never leave it, whatever the container does meanwhile (CVE-2018-15664, CVE-2019-14271).
extension ContainerEngine {
  /// Puts a file or a directory of the host's into a container.
  ///
  /// - Parameter owner: the container's root where nil.
  /// - Throws: `notFound` for either end; `conflict` where a directory and a file would replace each other. Cancelled, what was
  ///   copied so far stays.
  package func copy(
    _ source: String, into name: String, at target: String, owner: CopyOwner? = nil,
    reporter: TaskReporter = .silent
  ) async throws -> CopyResult {
    let (from, to) = (try CopyPath(source, of: "source"), try CopyPath(target, of: "target"))
    let root = try await openRoot(of: name)
    let (directory, shift) = (root.directory.descriptor, root.idShift)
    let result = try await reporter.task("copy to \(name)") { [self] progress, _ in
      try await copying { [self] isCancelled in
        let host = try openDirectory("/")
        let archive = try archive(of: from, in: host.descriptor, to: to, of: directory, idShift: 0)
        var options = unpackOptions
        options.copy = CopyOptions(place: archive.place)
        options.copy?.idShift = shift
        options.copy?.owner = owner.fixed(shift, standard: (0, 0))
        defer { withExtendedLifetime(host) {} }
        return try write(archive.tree, into: directory, options, progress, isCancelled)
      }
    }
    withExtendedLifetime(root) {}
    return result
  }

  /// Unpacks a client's archive in a directory of a container.
  ///
  /// - Throws: as `copy(_:into:at:owner:reporter:)`; `corrupt` for what is no archive.
  package func unpack(
    _ source: ArchiveSource, into name: String, at target: String, owner: CopyOwner? = nil,
    reporter: TaskReporter = .silent
  ) async throws -> CopyResult {
    let to = try CopyPath(target, of: "target")
    let root = try await openRoot(of: name)
    let (directory, shift) = (root.directory.descriptor, root.idShift)
    guard try directory.statusInRoot(to.path)?.kind == .directory else {
      throw EngineError(
        .notFound, "there is no directory \(to.path) in the container", subject: to.path.string)
    }
    let result = try await reporter.task("copy to \(name)") { [self] progress, _ in
      try await withTaskCancellationHandler {
        try await copying { [self] isCancelled in
          var options = unpackOptions
          options.copy = CopyOptions(place: Self.place(to.path))
          options.copy?.idShift = shift
          options.copy?.owner = owner.fixed(shift, standard: (0, 0))
          let unpacker = try LayerUnpacker(into: directory, named: to.path, options: options)
          try source.read({ progress.report($0) }) { bytes in
            if isCancelled() { throw EngineError.cancelled("copying to the container") }
            try unpacker.write(bytes)
          }
          return try CopyResult(unpacker.finish())
        }
      } onCancel: {
        // The client may send nothing more, and its end of the stream never.
        source.stop()
      }
    }
    withExtendedLifetime(root) {}
    return result
  }

  /// Takes a file or a directory of a container to the host.
  ///
  /// - Parameters:
  ///   - owner: the service's user where nil, and then nothing keeps set-id bits.
  ///   - followsLinks: whether a source that is a symbolic link is followed, in the container.
  /// - Throws: as `copy(_:into:at:owner:reporter:)`.
  package func copy(
    from name: String, _ source: String, to target: String, owner: CopyOwner? = nil,
    followsLinks: Bool = false,
    reporter: TaskReporter = .silent
  ) async throws -> CopyResult {
    let (from, to) = (try CopyPath(source, of: "source"), try CopyPath(target, of: "target"))
    let root = try await openRoot(of: name)
    let (directory, shift) = (root.directory.descriptor, root.idShift)
    let result = try await reporter.task("copy from \(name)") { [self] progress, _ in
      try await copying { [self] isCancelled in
        let host = try openDirectory("/")
        let archive = try archive(
          of: from, in: directory, to: to, of: host.descriptor, idShift: shift, followsLinks: followsLinks)
        let (user, group) = effectiveIDs()
        var options = unpackOptions
        options.copy = CopyOptions(place: archive.place)
        options.copy?.owner = owner.fixed(0, standard: (user, group))
        options.copy?.makesDevices = owner == .kept
        options.copy?.keepsSetIDBits = owner == .kept
        defer { withExtendedLifetime(host) {} }
        return try write(archive.tree, into: host.descriptor, options, progress, isCancelled)
      }
    }
    withExtendedLifetime(root) {}
    return result
  }

  /// Writes a file or a directory of a container as an archive.
  ///
  /// - Throws: `notFound`, and what `writeArchive` throws.
  package func pack(
    from name: String, _ source: String, to output: ArchiveOutput, followsLinks: Bool = false,
    reporter: TaskReporter = .silent
  ) async throws -> CopyResult {
    let from = try CopyPath(source, of: "source")
    let root = try await openRoot(of: name)
    let (directory, shift) = (root.directory.descriptor, root.idShift)
    let entries = Counter()
    let bytes = try await reporter.task("copy from \(name)") { [self] progress, _ in
      try await writeArchive(to: output, progress: progress) { [self] sink in
        let found = try find(from, in: directory, followsLinks: followsLinks)
        defer { try? found.parent.close() }
        entries.value = try TreeArchive(
          found.root(as: found.name), overlayXattrs: unpackOptions.overlayXattrs, idShift: shift
        ).write(sink: sink)
      }
    }
    withExtendedLifetime(root) {}
    return CopyResult(entries: entries.value, bytes: bytes)
  }

  // MARK: Both ends

  /// Set on the one thread and read after it.
  private final class Counter: @unchecked Sendable {
    var value = 0
  }

  private func copying(
    _ body: @escaping @Sendable (_ isCancelled: @escaping @Sendable () -> Bool) throws -> CopyResult
  ) async throws -> CopyResult {
    try await untilCancelled { isCancelled in
      try await onBlockingThread("copy") { try body(isCancelled) }
    }
  }

  /// Something that is to be copied, by the directory that it is in.
  private struct Found {
    /// Its reader closes it.
    var parent: FileDescriptor
    /// Nil where what is in the directory is meant.
    var name: [UInt8]?
    var isDirectory: Bool

    func root(as shown: [UInt8]?) -> TreeArchive.Root {
      guard let name else { return .contents(of: parent) }
      return .entry(name, of: parent, as: shown ?? name)
    }
  }

  private func find(_ source: CopyPath, in root: FileDescriptor, followsLinks: Bool) throws -> Found {
    let gone = EngineError(.notFound, "there is no \(source.path)", subject: source.path.string)
    do {
      var path = source.path
      // The root itself has no name.
      if source.meansContents || path.lastComponent == nil {
        return Found(parent: try root.openDirectoryInRoot(path).release(), name: nil, isDirectory: true)
      }
      for _ in 0..<40 {
        guard let last = path.lastComponent else {
          return Found(parent: try root.openDirectoryInRoot(path).release(), name: nil, isDirectory: true)
        }
        let parent = try root.openDirectoryInRoot(path.removingLastComponent()).release()
        let name = Array(last.string.utf8)
        do {
          guard let status = try parent.status(of: name.cString) else { throw gone }
          guard status.kind == .symbolicLink, followsLinks || source.meansDirectory else {
            return Found(parent: parent, name: name, isDirectory: status.kind == .directory)
          }
          let link = FilePath(String(decoding: try parent.linkTarget(of: name.cString) ?? [], as: UTF8.self))
          path = path.removingLastComponent().pushing(link).lexicallyNormalized()
          try? parent.close()
        } catch {
          try? parent.close()
          throw error
        }
      }
      throw EngineError(.invalidArgument, "\(source.path) leads in circles", subject: source.path.string)
    } catch let error as SystemError
      where error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory
    {
      throw gone
    }
  }

  private struct Archive {
    var tree: TreeArchive
    var place: [UInt8]
  }

  /// The source as an archive, with the name that the target gives it. The source's parent stays open to the process's end
  /// of the copy only.
  private func archive(
    of source: CopyPath, in root: FileDescriptor, to target: CopyPath, of targetRoot: FileDescriptor,
    idShift: Int64,
    followsLinks: Bool = false
  ) throws -> Archive {
    let found = try find(source, in: root, followsLinks: followsLinks)
    do {
      let (directory, name) = try target.place(
        for: found.name, isDirectory: found.isDirectory, in: targetRoot)
      let tree: TreeArchive.Root
      var place = Self.place(directory)
      if found.name == nil, let name {
        // What is in the source becomes what is in a new directory.
        place += (place.isEmpty ? [] : [UInt8(ascii: "/")]) + name
        tree = .contents(of: found.parent)
      } else {
        tree = found.root(as: name)
      }
      return Archive(
        tree: TreeArchive(tree, overlayXattrs: unpackOptions.overlayXattrs, idShift: idShift), place: place)
    } catch {
      try? found.parent.close()
      throw error
    }
  }

  private func write(
    _ tree: TreeArchive, into root: FileDescriptor, _ options: UnpackOptions, _ progress: TaskProgress,
    _ isCancelled: @escaping @Sendable () -> Bool
  ) throws -> CopyResult {
    defer { tree.close() }
    let unpacker = try LayerUnpacker(into: root, named: "/", options: options)
    var done: Int64 = 0
    let entries = try tree.write { bytes in
      if isCancelled() { throw EngineError.cancelled("copying files") }
      try unpacker.write(bytes)
      done += Int64(bytes.count)
      progress.report(done)
    }
    _ = try unpacker.finish()
    return CopyResult(entries: entries, bytes: done)
  }

  private static func place(_ directory: FilePath) -> [UInt8] {
    Array(directory.string.utf8.drop { $0 == UInt8(ascii: "/") })
  }
}

extension CopyOwner? {
  fileprivate func fixed(_ shift: Int64, standard: (UInt32, UInt32)) -> (user: UInt32, group: UInt32)? {
    func shifted(_ id: UInt32) -> UInt32 { UInt32(clamping: Int64(id) + shift) }
    return switch self {
    case .kept: nil
    case .user(let user, let group): (shifted(user), shifted(group))
    case nil: (shifted(standard.0), shifted(standard.1))
    }
  }
}

extension CopyResult {
  fileprivate init(_ layer: UnpackedLayer) {
    self.init(entries: layer.entries, bytes: layer.uncompressedSize)
  }
}
