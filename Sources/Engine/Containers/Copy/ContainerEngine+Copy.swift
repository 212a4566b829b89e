import EngineErrors
import Glibc
import Layers
import LinuxSystem
import Synchronization
import SystemPackage

/// Whose copied files are.
package enum CopyOwner: Hashable, Sendable {
  /// As the files are where they come from.
  case kept
  case user(UInt32, group: UInt32)
}

/// What a copy has moved.
package struct CopyResult: Sendable {
  package var entries: Int
  /// Of the files.
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
    let from = try CopyPath(source, of: "source", .host)
    let to = try CopyPath(target, of: "target", .container)
    return try await copying("copy to", name, reporter) { [self] container, progress, isCancelled in
      let host = try openDirectory("/")
      let archive = try archive(
        of: from, in: host.descriptor, to: to, of: container.descriptor, idShift: 0)
      defer { withExtendedLifetime(host) {} }
      return try write(
        archive.tree, into: container.descriptor, options(archive.place, owner, in: container), progress,
        isCancelled)
    }
  }

  /// Unpacks a client's archive in a directory of a container.
  ///
  /// - Throws: as `copy(_:into:at:owner:reporter:)`; `corrupt` for what is no archive.
  package func unpack(
    _ source: ArchiveSource, into name: String, at target: String, owner: CopyOwner? = nil,
    reporter: TaskReporter = .silent
  ) async throws -> CopyResult {
    let to = try CopyPath(target, of: "target", .container)
    return try await withTaskCancellationHandler {
      try await copying("copy to", name, reporter) { [self] container, progress, isCancelled in
        guard try container.descriptor.statusInRoot(to.path)?.kind == .directory else {
          throw EngineError(
            .notFound, "there is no directory \(to.path) in the container", subject: to.path.string,
            hint: "make it first, or name one that is there")
        }
        let unpacker = try LayerUnpacker(
          into: container.descriptor, named: to.path,
          options: options(Self.place(to.path), owner, in: container))
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
    let from = try CopyPath(source, of: "source", .container)
    let to = try CopyPath(target, of: "target", .host)
    return try await copying("copy from", name, reporter) { [self] container, progress, isCancelled in
      let host = try openDirectory("/")
      let archive = try archive(
        of: from, in: container.descriptor, to: to, of: host.descriptor, idShift: container.idShift,
        followsLinks: followsLinks)
      var options = unpackOptions
      options.copy = CopyOptions(place: archive.place)
      options.copy?.owner = owner.fixed(0, standard: effectiveIDs())
      options.copy?.makesDevices = owner == .kept
      options.copy?.keepsSetIDBits = owner == .kept
      defer { withExtendedLifetime(host) {} }
      return try write(archive.tree, into: host.descriptor, options, progress, isCancelled)
    }
  }

  /// Writes a file or a directory of a container as an archive.
  ///
  /// - Throws: `notFound`, and what `writeArchive` throws.
  package func pack(
    from name: String, _ source: String, to output: ArchiveOutput, followsLinks: Bool = false,
    reporter: TaskReporter = .silent
  ) async throws -> CopyResult {
    let from = try CopyPath(source, of: "source", .container)
    let root = try await openRoot(of: name)
    let (directory, shift) = (root.directory.descriptor, root.idShift)
    let written = Mutex(CopyResult(entries: 0, bytes: 0))
    _ = try await reporter.task("copy from \(name)") { [self] progress, _ in
      try await writeArchive(to: output, progress: progress) { [self] sink in
        let found = try find(from, in: directory, followsLinks: followsLinks)
        defer { try? found.parent.close() }
        let tree = try TreeArchive(
          found.root(as: found.name), overlayXattrs: unpackOptions.overlayXattrs, idShift: shift
        ).write(sink: sink)
        written.withLock { $0 = CopyResult(entries: tree.entries, bytes: tree.contentSize) }
      }
    }
    withExtendedLifetime(root) {}
    return written.withLock { $0 }
  }

  // MARK: A container's end

  /// A container's root, for as long as a copy goes on.
  private struct OpenContainer: Sendable {
    var descriptor: FileDescriptor
    var idShift: Int64
  }

  private typealias Copying =
    @Sendable (OpenContainer, TaskProgress, _ isCancelled: @escaping @Sendable () -> Bool) throws ->
    CopyResult

  /// Runs `copy` on a thread of its own, as a task of the request, with the container's root open.
  private func copying(
    _ purpose: String, _ name: String, _ reporter: TaskReporter, _ copy: @escaping Copying
  ) async throws -> CopyResult {
    let root = try await openRoot(of: name)
    let container = OpenContainer(descriptor: root.directory.descriptor, idShift: root.idShift)
    let result = try await reporter.task("\(purpose) \(name)") { progress, _ in
      try await untilCancelled { isCancelled in
        try await onBlockingThread("copy") { try copy(container, progress, isCancelled) }
      }
    }
    withExtendedLifetime(root) {}
    return result
  }

  /// For files that come into a container: its root's where nobody else is said.
  private func options(_ place: [UInt8], _ owner: CopyOwner?, in container: OpenContainer) -> UnpackOptions {
    var options = unpackOptions
    options.copy = CopyOptions(place: place)
    options.copy?.idShift = container.idShift
    options.copy?.owner = owner.fixed(container.idShift, standard: (0, 0))
    return options
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
    self.init(entries: layer.entries, bytes: layer.contentSize)
  }
}
