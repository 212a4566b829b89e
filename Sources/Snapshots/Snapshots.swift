package import EngineErrors
package import LinuxSystem
package import OCIModel
package import SystemPackage

/// Trees on disk: unpacked layers below `layers`, read-only and shared; a writable directory for each container below `containers`;
/// and volumes below `volumes`.
///
/// As with blobs, the file system is the only record: a layer is there when its directory has its name.
package struct Snapshots: Sendable {
  private let layers: FilePath
  private let containers: FilePath
  let volumes: FilePath
  /// Layers that are being unpacked, and trees that are being removed.
  let staging: FilePath

  /// - Parameter root: the store's directory; what is missing below it is made, mode 0700.
  package init(root: FilePath) throws(EngineError) {
    layers = root.appending("layers")
    containers = root.appending("containers")
    volumes = root.appending("volumes")
    staging = root.appending("staging")
    do {
      for directory in [layers, containers, volumes, staging] where !fileExists(directory) {
        try makeDirectories(directory, mode: 0o700)
        // The store may lie in a directory that hands its group down, which is nothing for the files of containers.
        let made = try openDirectory(directory)
        try made.descriptor.disinherit(permissions: 0o700)
      }
    } catch {
      throw EngineError("open the snapshots", error, subject: root.string)
    }
  }

  // MARK: Layers

  /// The tree of a layer that is there.
  package func layerDirectory(_ key: Digest) -> FilePath { place(of: key).appending("diff") }

  package func contains(_ key: Digest) -> Bool { fileExists(place(of: key)) }

  /// The keys of all layers.
  package func list() throws(EngineError) -> [Digest] {
    do {
      return try directoryEntries(layers).compactMap { Digest(hex: $0) }
    } catch {
      throw EngineError("list the layers", error)
    }
  }

  /// Makes the caller the only one, in all processes, who unpacks a layer; waits while another does.
  package func withUnpackLock(_ key: Digest) async throws -> FileLock {
    try await FileLock.acquire(staging.appending("\(key.hex).lock"))
  }

  /// A fresh directory to unpack a layer into.
  package func stage() throws(EngineError) -> LayerStage {
    do { return try LayerStage(self) } catch { throw EngineError("make room for a layer", wrapping: error) }
  }

  /// Takes the name away from a layer that nothing uses, at once.
  ///
  /// - Returns: where its tree is now, for whoever removes it; nil where there was none.
  package func unname(_ key: Digest) throws(EngineError) -> FilePath? {
    do {
      return try unname(place(of: key))
    } catch {
      throw EngineError("remove layer \(key.short)", wrapping: error, subject: "\(key)")
    }
  }

  /// Notes that nobody could tell whether a layer's tree is whole.
  package func doubt(_ key: Digest) throws(EngineError) {
    do {
      let file = try FileDescriptor.open(
        mark(of: key), .writeOnly, options: [.create, .closeOnExec, .noFollow], permissions: .ownerReadWrite)
      try file.close()
    } catch {
      throw EngineError("mark layer \(key.short)", wrapping: error, subject: "\(key)")
    }
  }

  package func isDoubtful(_ key: Digest) -> Bool { fileExists(mark(of: key)) }

  package func clearDoubt(of key: Digest) throws(EngineError) {
    do { try removeFile(mark(of: key)) } catch {
      throw EngineError("unmark layer \(key.short)", error, subject: "\(key)")
    }
  }

  /// Notes that a blob was found to be a layer that is there: its bytes are the blob's, and unpacked they have the layer's DiffID.
  /// That does not change, so the note stays as long as the tree does. Of a layer that has just been removed there is none.
  package func notePair(_ blob: Digest, of key: Digest) throws(EngineError) {
    do {
      let file = try FileDescriptor.open(
        note(blob, of: key), .writeOnly, options: [.create, .closeOnExec, .noFollow],
        permissions: .ownerReadWrite)
      try file.close()
    } catch {
      if (error as? Errno) == .noSuchFileOrDirectory { return }
      throw EngineError("mark layer \(key.short)", wrapping: error, subject: "\(key)")
    }
  }

  package func isPair(_ blob: Digest, of key: Digest) -> Bool { fileExists(note(blob, of: key)) }

  private func note(_ blob: Digest, of key: Digest) -> FilePath {
    place(of: key).appending("blob-\(blob.hex)")
  }

  private func mark(of key: Digest) -> FilePath { place(of: key).appending("doubtful") }

  /// All that is kept of a layer.
  package func place(of key: Digest) -> FilePath { layers.appending(key.hex) }

  // MARK: Containers

  package func containerDirectory(_ id: String) -> FilePath { containers.appending(id) }

  /// Makes a container's directory with a fresh `upper` and `work`.
  package func prepareContainer(_ id: String) throws(EngineError) -> FilePath {
    let directory = containerDirectory(id)
    do {
      try makeDirectories(directory, mode: 0o700)
      // The root directory of the container, which its users enter.
      try makeDirectories(directory.appending("upper"), mode: 0o755)
      try makeDirectories(directory.appending("work"), mode: 0o700)
      Failpoint.containerPrepared.pass()
      return directory
    } catch {
      throw EngineError("make the directory of container \(id.prefix(12))", error, subject: directory.string)
    }
  }

  package func removeContainer(_ id: String) throws(EngineError) {
    do {
      if let grave = try unname(containerDirectory(id)) { try removeTree(grave) }
    } catch {
      throw EngineError("remove the directory of container \(id.prefix(12))", wrapping: error)
    }
  }

  /// Takes any directory of the store's file system away from its name, at once.
  ///
  /// - Returns: where it is now, for whoever removes it; nil where there was none.
  package func unnameTree(_ path: FilePath) throws(EngineError) -> FilePath? {
    do { return try unname(path) } catch { throw EngineError("remove \(path)", wrapping: error) }
  }

  func unname(_ path: FilePath) throws -> FilePath? {
    let grave = staging.appending("removed-\(UInt64.random(in: .min ... .max))")
    guard try renameIfPresent(path, to: grave) else { return nil }
    Failpoint.treeUnnamed.pass()
    return grave
  }

  /// Trees that are being made or removed.
  package func stagedTrees() throws -> [FilePath] {
    try directoryEntries(staging).map { staging.appending($0) }
  }

  /// Of all containers' directories.
  package func containerIDs() throws -> [String] { try directoryEntries(containers) }

  /// Removes the directories of containers that are not there: services that were killed have left them. For whoever knows that
  /// nobody adds content meanwhile.
  ///
  /// - Returns: what else they have left, trees that never became whole or were being removed.
  package func sweep(keeping isKnown: (String) -> Bool) throws -> [FilePath] {
    for id in try directoryEntries(containers) where !isKnown(id) { try removeContainer(id) }
    // At once: later one of them may be the lock of somebody who unpacks again.
    let (locks, trees) = try stagedTrees().reduce(into: ([FilePath](), [FilePath]())) { lists, path in
      if path.extension == "lock" { lists.0.append(path) } else { lists.1.append(path) }
    }
    for lock in locks { try removeFile(lock) }
    return trees
  }
}
