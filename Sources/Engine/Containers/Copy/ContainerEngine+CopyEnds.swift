import EngineErrors
import Glibc
import Layers
import LinuxSystem
import SystemPackage

/// The two ends of a copy: what is found beneath one root becomes an archive, which is unpacked beneath the other.
extension ContainerEngine {
  /// Something that is to be copied, by the directory that it is in.
  struct Found {
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

  func find(_ source: CopyPath, in root: FileDescriptor, followsLinks: Bool) throws -> Found {
    let gone = EngineError(
      .notFound, "there is no \(source.path) \(source.side.rawValue)", subject: source.path.string,
      hint: "look whether the path is written right")
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
        // What is above a directory, or it itself, is the kernel's to say, which knows how it was reached.
        guard last.kind == .regular else {
          return Found(parent: try root.openDirectoryInRoot(path).release(), name: nil, isDirectory: true)
        }
        let parent = try root.openDirectoryInRoot(path.removingLastComponent()).release()
        let name = last.withPlatformString { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
        do {
          guard let status = try parent.status(of: name.cString) else { throw gone }
          guard status.kind == .symbolicLink, followsLinks || source.meansDirectory else {
            return Found(parent: parent, name: name, isDirectory: status.kind == .directory)
          }
          let link = (try parent.linkTarget(of: name.cString) ?? []).cString.withUnsafeBufferPointer {
            $0.baseAddress.map { FilePath(platformString: $0) } ?? FilePath()
          }
          // Not normalized: its directory may have been reached by a link, and then `..` is another one.
          path = path.removingLastComponent().pushing(link)
          try? parent.close()
        } catch {
          try? parent.close()
          throw error
        }
      }
      throw EngineError(
        .invalidArgument, "\(source.path) leads in circles", subject: source.path.string,
        hint: "name what is meant itself")
    } catch let error as SystemError
      where error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory
    {
      throw gone
    }
  }

  struct Archive {
    var tree: TreeArchive
    var place: [UInt8]
  }

  /// The source as an archive, with the name that the target gives it. The source's parent stays open to the process's end
  /// of the copy only.
  func archive(
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

  func write(
    _ tree: TreeArchive, into root: FileDescriptor, _ options: UnpackOptions, _ progress: TaskProgress,
    _ isCancelled: @escaping @Sendable () -> Bool
  ) throws -> CopyResult {
    defer { tree.close() }
    let unpacker = try LayerUnpacker(into: root, named: "/", options: options)
    let written = try tree.write(progress: { progress.report($0) }) { bytes in
      if isCancelled() { throw EngineError.cancelled("copying files") }
      try unpacker.write(bytes)
    }
    _ = try unpacker.finish()
    return CopyResult(entries: written.entries, bytes: written.contentSize)
  }

  static func place(_ directory: FilePath) -> [UInt8] {
    Array(directory.string.utf8.drop { $0 == UInt8(ascii: "/") })
  }
}
