package import EngineErrors
import LinuxSystem
import Synchronization
package import SystemPackage

/// Unpacks a layer as its bytes come: one thread inflates and hashes, another one writes the tree.
///
/// `write` and `finish` belong to one thread; `cancel` may be called from any.
package final class LayerUnpacker: Sendable {
  private let input = BytePipe(pieces: 4, size: 128 << 10)
  private let output = BytePipe(pieces: 4, size: 256 << 10)
  private let directory: FilePath
  private let options: UnpackOptions
  private let inflater: WorkerThread
  private let writer: WorkerThread
  private let outcome: Outcome
  private let filling = Mutex<BytePipe.Piece?>(nil)

  /// - Parameter directory: exists and is empty; what fails leaves it for the caller to remove.
  package convenience init(into directory: FilePath, options: UnpackOptions) throws {
    let root = try openDirectory(directory)
    try self.init(into: root.descriptor, named: directory, options: options)
  }

  /// - Parameters:
  ///   - root: stays the caller's.
  ///   - directory: its name, for messages.
  package init(into root: FileDescriptor, named directory: FilePath, options: UnpackOptions) throws {
    self.directory = directory
    let root = try root.duplicate()
    self.options = options
    let (input, output, outcome) = (input, output, Outcome())
    self.outcome = outcome
    inflater = try WorkerThread("inflate") {
      do {
        outcome.digest.withLock { $0 = nil }
        let result = try Inflation(
          input, output, options.limits, checksItself: !options.isCheckedByDigest,
          hashesArchive: options.hashesArchive
        ).run()
        outcome.digest.withLock { $0 = result }
        output.finish()
      } catch {
        fail([input, output], EngineError("decompress the layer", wrapping: error))
      }
    }
    writer = try WorkerThread("unpack") {
      do {
        usePrivateUmask()
        if let root = options.copy?.root { try makeFiles(asUser: root, group: root) }
        let result = try unpackTree(output, root, options)
        outcome.tree.withLock { $0 = result }
      } catch {
        fail([input, output], EngineError("unpack the layer", wrapping: error, subject: directory.string))
      }
    }
  }

  deinit { cancel() }

  /// Takes the next bytes of the archive, compressed as it is; blocks while the threads are behind.
  ///
  /// - Throws: what unpacking failed with: `corrupt`, `noSpace`, `unsupported`, `cancelled`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(EngineError) {
    var rest = bytes
    while !rest.isEmpty {
      let piece: BytePipe.Piece
      if let current = filling.withLock({ $0.take() }) { piece = current } else { piece = try input.vacant() }
      let room = piece.room
      let count = min(room.count, rest.count)
      room.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
      piece.count += count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      if piece.room.isEmpty { input.send(piece) } else { filling.withLock { $0 = piece } }
    }
  }

  /// Waits until the tree is complete. Blocks: for a thread of one's own.
  ///
  /// - Throws: as `write`.
  package func finish() throws(EngineError) -> UnpackedLayer {
    if let last = filling.withLock({ $0.take() }) { input.send(last) }
    input.finish()
    inflater.join()
    writer.join()
    if let error = input.error ?? output.error { throw error }
    guard let digest = outcome.digest.withLock({ $0 }), let tree = outcome.tree.withLock({ $0 }) else {
      throw EngineError(.internal, "cannot unpack the layer: its threads ended early")
    }
    return UnpackedLayer(
      diffID: digest.diffID, archive: digest.archive, uncompressedSize: digest.size,
      contentSize: tree.contentSize, entries: tree.entries, warnings: tree.warnings,
      dependencies: tree.dependencies.isEmpty ? nil : tree.dependencies, bytesOnDisk: tree.bytesOnDisk)
  }

  /// Stops, and returns when both threads have. After `finish` it does nothing.
  package func cancel() {
    fail([input, output], .cancelled("unpacking the layer"))
    inflater.join()
    writer.join()
  }

  /// Completes a layer that depends on those below it; after `finish`.
  ///
  /// - Parameter lowers: their trees, the uppermost first.
  /// - Throws: `corrupt` where a hard link leads to nothing.
  package func resolve(lowers: [FilePath]) throws(EngineError) {
    guard let dependencies = outcome.tree.withLock({ $0 })?.dependencies, !dependencies.isEmpty else {
      return
    }
    do {
      try resolveDependencies(dependencies, in: directory, lowers)
    } catch {
      throw EngineError("complete the layer", wrapping: error, subject: directory.string)
    }
  }

  /// What the two threads leave.
  private final class Outcome: Sendable {
    let digest = Mutex<InflatedLayer?>(nil)
    let tree = Mutex<UnpackedTree?>(nil)
  }
}

private func fail(_ pipes: [BytePipe], _ error: EngineError) {
  for pipe in pipes { pipe.fail(error) }
}

struct UnpackedTree: Sendable {
  var entries: Int
  var contentSize: Int64
  var warnings: [String]
  var dependencies: ParentDependencies
  var bytesOnDisk: Int64?
}

/// The writing thread's work.
private func unpackTree(_ pipe: BytePipe, _ root: FileDescriptor, _ options: UnpackOptions) throws
  -> UnpackedTree
{
  guard options.makesTree else {
    defer { try? root.close() }
    while let piece = try pipe.receive() { pipe.recycle(piece) }
    return UnpackedTree(entries: 0, contentSize: 0, warnings: [], dependencies: ParentDependencies())
  }
  // It closes the root, whatever happens.
  let tree = try TreeWriter(root, options)
  let reader = try ArchiveReader(pipe)
  var entries = 0
  var contentSize: Int64 = 0
  while let entry = try reader.next() {
    entries += 1
    if entry.kind == .file { contentSize = contentSize.addingSaturated(entry.size) }
    do {
      try tree.write(entry, reader)
    } catch let error as SystemError {
      throw EngineError(unpacking: entry.path ?? [], error)
    }
  }
  try reader.drain()
  try tree.finish()
  return UnpackedTree(
    entries: entries, contentSize: contentSize, warnings: tree.warnings, dependencies: tree.dependencies,
    bytesOnDisk: tree.bytesOnDisk)
}

extension EngineError {
  /// For an entry that the kernel did not take.
  fileprivate init(unpacking name: [UInt8], _ error: SystemError) {
    self.init("unpack \(EntryPath.text(name))", error, subject: EntryPath.text(name))
    switch error.errno {
    // The directory was empty at first, so the archive contradicts itself, or asks for what no file system has.
    case .noSuchFileOrDirectory, .fileExists, .isDirectory, .notDirectory, .directoryNotEmpty,
      .fileNameTooLong,
      .tooManySymbolicLinkLevels, .tooManyLinks, .fileTooLarge:
      self = .refused(message, subject: subject, causes: causes)
    default: break
    }
  }
}
