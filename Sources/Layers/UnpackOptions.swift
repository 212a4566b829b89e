import EngineErrors
package import OCIModel

/// Which extended attributes overlayfs keeps its marks in.
package enum OverlayXattrs: Sendable {
  /// `trusted.overlay.…`, for root.
  case trusted
  /// `user.overlay.…`, for mounts with `userxattr` in a user namespace.
  case user

  package var opaque: String {
    switch self {
    case .trusted: "trusted.overlay.opaque"
    case .user: "user.overlay.opaque"
    }
  }
}

/// What a layer may cost. The defaults stop bombs and no layer that anyone has made in earnest; what each of them
/// stops is `corrupt`.
package struct UnpackLimits: Sendable {
  /// Of the whole uncompressed archive. What a sparse file says of its holes costs nothing and is not counted.
  package var bytes: Int64 = 64 << 30
  /// Entries, and directories that are made only because an entry lies in them.
  package var entries = 5_000_000
  /// Uncompressed bytes for each compressed one, from `ratioFrom` uncompressed bytes on: a big file of zeroes is no
  /// bomb yet (gzip makes them a thousandth, zstd a ten-thousandth).
  package var ratio: Int64 = 250
  package var ratioFrom: Int64 = 1 << 30
  /// Bytes of names that must be kept in memory up to the end, such as those of directories.
  package var names = 256 << 20
  /// The base-2 logarithm of zstd's window, which is memory. Zstd's own program takes up to 27 unless it is asked
  /// for more.
  package var zstdWindowLog: Int32 = 27
  package init() {}

  /// - Throws: `corrupt` where so many bytes are too many to come of so many compressed ones.
  func check(_ size: Int64, from compressed: Int64, of what: String) throws(EngineError) {
    let isBomb = size > ratioFrom && size / max(compressed, 1) > ratio
    guard size > bytes || isBomb else { return }
    throw .overLimit(
      "the \(what) unpacks to more than \(isBomb ? "\(ratio) times its size" : "\(bytes) bytes")",
      isBomb ? "--unpack-ratio" : "--unpack-bytes")
  }
}

/// What is different where an archive is put into a tree that others use, and is no layer: nothing means a whiteout, a
/// directory that is there stays as it is, and none is replaced by something else.
package struct CopyOptions: Sendable {
  /// The directory that entries are put beneath, from the root, without a slash in front. In it links are followed, within
  /// the root.
  package var place: [UInt8]
  /// Whose all of it is to be; the archive's where nil.
  package var owner: (user: UInt32, group: UInt32)?
  /// Added to the archive's ids: the first id of a user namespace that the tree is seen from outside of.
  package var idShift: Int64 = 0
  /// The root of that user namespace, who alone can make files in it; nil without one.
  var root: UInt32? { idShift > 0 ? UInt32(exactly: idShift) : nil }
  package var makesDevices = true
  package var keepsSetIDBits = true
  /// Whether the place itself, which is the root then, gets what the archive says of its own.
  package var setsRoot = false

  package init(place: [UInt8]) { self.place = place }
}

package struct UnpackOptions: Sendable {
  package var overlayXattrs: OverlayXattrs
  /// Nil for a layer.
  package var copy: CopyOptions?
  package var limits: UnpackLimits
  /// The highest owner and group that files can be given.
  package var highestID: UInt32
  /// Whether the caller compares the digest of the uncompressed bytes, so that no weaker check of them is of use.
  package var isCheckedByDigest = false
  /// Without it only the digests are asked for, and nothing is written.
  package var makesTree = true
  /// Whether the archive is hashed as it comes too, which costs little beside the other digest.
  package var hashesArchive = false

  package init(
    overlayXattrs: OverlayXattrs, highestID: UInt32 = .max - 1, limits: UnpackLimits = UnpackLimits()
  ) {
    self.overlayXattrs = overlayXattrs
    self.limits = limits
    self.highestID = highestID
  }
}

/// What unpacking made.
package struct UnpackedLayer: Sendable {
  /// The digest of the uncompressed archive.
  package var diffID: Digest
  /// The digest of the archive as it came, compressed or not; nil without `hashesArchive`.
  package var archive: Digest?
  package var uncompressedSize: Int64
  /// Of its files, in bytes; holes count.
  package var contentSize: Int64
  package var entries: Int
  /// What was left out and why, a sentence each; at most a hundred.
  package var warnings: [String]
  /// Nil for a layer that stands on its own.
  package var dependencies: ParentDependencies?
  /// What the tree takes up, as `diskUsage` counts it; nil where that has to be measured.
  package var bytesOnDisk: Int64?
}

/// What a layer needs of the layers below it.
package struct ParentDependencies: Sendable {
  /// Directories without an entry of their own, each after those above it. In bytes, as names are.
  package var impliedDirectories: [[UInt8]] = []
  /// Hard links to files that are not in the layer, sorted by path.
  package var links: [(path: [UInt8], target: [UInt8])] = []

  var isEmpty: Bool { impliedDirectories.isEmpty && links.isEmpty }
}

extension Int64 {
  /// Sizes that an archive says: their sum may be beyond all numbers.
  func addingSaturated(_ other: Int64) -> Int64 {
    let (sum, isOver) = addingReportingOverflow(other)
    return isOver ? (other > 0 ? .max : .min) : sum
  }
}
