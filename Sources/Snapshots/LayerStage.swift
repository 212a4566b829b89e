package import EngineErrors
import LinuxSystem
package import OCIModel
import Synchronization
package import SystemPackage

/// A directory in which a layer is unpacked, until it is renamed to its key. One that is dropped without a commit
/// is removed.
package final class LayerStage: Sendable {
  private let snapshots: Snapshots
  private let place: FilePath
  private let isOpen = Mutex(true)

  init(_ snapshots: Snapshots) throws {
    self.snapshots = snapshots
    place = snapshots.staging.appending("layer-\(UInt64.random(in: .min ... .max))")
    try makeDirectories(place, mode: 0o700)
    // The image's root directory, unless an entry of the layer says otherwise.
    try makeDirectories(directory, mode: 0o755)
  }

  deinit { discard() }

  /// Where to unpack.
  package var directory: FilePath { place.appending("diff") }

  /// Takes over a tree that is whole, of the same file system, in the place of an empty one.
  package func adopt(_ tree: FilePath) throws(EngineError) {
    do { try rename(tree, to: directory) } catch {
      throw EngineError("take over the tree of a layer", error, subject: tree.string)
    }
  }

  /// Keeps the layer under its key. Where another service kept the same one first, that one stays.
  ///
  /// - Parameter blob: what it was unpacked from; nil where nobody knows.
  package func commit(as key: Digest, from blob: Digest? = nil) throws(EngineError) {
    guard take() else { throw .cancelled("keeping layer \(key.short)") }
    do {
      Failpoint.layerUnpacked.pass()
      if try !renameUnlessPresent(place, to: snapshots.place(of: key)) { try removeTree(place) }
      Failpoint.layerRenamed.pass()
      if let blob { try snapshots.notePair(blob, of: key) }
    } catch {
      try? removeTree(place)
      throw EngineError("keep layer \(key.short)", wrapping: error, subject: "\(key)")
    }
  }

  /// Puts the tree in the place of a layer's that is damaged, which is removed.
  package func replace(_ key: Digest) throws(EngineError) {
    guard snapshots.contains(key) else { return try commit(as: key) }
    guard take() else { throw .cancelled("replacing layer \(key.short)") }
    do {
      Failpoint.treeRebuilt.pass()
      try exchange(place, snapshots.place(of: key))
      Failpoint.treesExchanged.pass()
      try removeTree(place)
    } catch {
      try? removeTree(place)
      throw EngineError("replace layer \(key.short)", wrapping: error, subject: "\(key)")
    }
  }

  /// Removes the tree. After `commit` it does nothing.
  package func discard() {
    if take() { try? removeTree(place) }
  }

  private func take() -> Bool {
    isOpen.withLock { isOpen in
      defer { isOpen = false }
      return isOpen
    }
  }
}
