package import SystemPackage

/// The root file system of a container before anything is mounted.
package struct OverlayRoot: Hashable, Sendable {
  /// Read-only layers, the uppermost first.
  package var lowers: [FilePath]
  package var upper: FilePath
  package var work: FilePath

  package init(lowers: [FilePath], upper: FilePath, work: FilePath) {
    self.lowers = lowers
    self.upper = upper
    self.work = work
  }
}
