package import SystemPackage

/// The root file system of a container before anything is mounted.
package struct OverlayRoot: Hashable, Sendable {
  /// Read-only layers, the uppermost first.
  package var lowers: [FilePath]
  package var upper: FilePath
  package var work: FilePath
  /// Nothing of it is written to the disk before somebody else sees to that: neither by fsync(2) in the container nor when it is
  /// taken down. `work` is of no use for another mount then.
  package var isVolatile: Bool

  package init(lowers: [FilePath], upper: FilePath, work: FilePath, isVolatile: Bool = false) {
    self.lowers = lowers
    self.upper = upper
    self.work = work
    self.isVolatile = isVolatile
  }
}
