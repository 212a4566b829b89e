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

/// What an archive may cost. The defaults stop bombs and no layer that anyone has made in earnest.
package struct UnpackLimits: Sendable {
  /// Of the whole uncompressed archive.
  package var bytes: Int64 = 64 << 30
  package var entries = 5_000_000
  /// Uncompressed bytes for each compressed one, from `ratioFrom` uncompressed bytes on.
  package var ratio: Int64 = 400
  package var ratioFrom: Int64 = 512 << 20
  package init() {}
}

package struct UnpackOptions: Sendable {
  package var overlayXattrs: OverlayXattrs
  package var limits = UnpackLimits()
  /// The highest owner and group that files can be given.
  package var highestID: UInt32

  package init(overlayXattrs: OverlayXattrs, highestID: UInt32 = .max - 1) {
    self.overlayXattrs = overlayXattrs
    self.highestID = highestID
  }
}

/// What unpacking made.
package struct UnpackedLayer: Sendable {
  /// The digest of the uncompressed archive.
  package var diffID: Digest
  package var uncompressedSize: Int64
  package var entries: Int
  /// What was left out and why, a sentence each; at most a hundred.
  package var warnings: [String]
  /// Nil for a layer that stands on its own.
  package var dependencies: ParentDependencies?
}

/// What a layer needs of the layers below it.
package struct ParentDependencies: Sendable {
  /// Directories without an entry of their own, in the order in which they were met.
  package var impliedDirectories: [String] = []
  /// Hard links to files that are not in the layer.
  package var links: [(path: String, target: String)] = []

  var isEmpty: Bool { impliedDirectories.isEmpty && links.isEmpty }
}
