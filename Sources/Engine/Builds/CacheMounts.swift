import EngineErrors
import LinuxSystem
import OCIModel
import SystemPackage

/// A directory that RUNs mount as a cache, which stays from build to build.
struct CacheMount: Sendable {
  /// Its name in the store: it is made of the id that builds give it, and leads nowhere else (CVE-2024-9675).
  var name: String
  /// What builds call it; nil where nobody wrote it down.
  var id: String?
  var path: FilePath
  /// When a build used it last, in seconds since 1970.
  var usedAt: Int64
}

extension ContainerEngine {
  var cacheMounts: FilePath { configuration.storeDirectory.appending("build-caches") }

  static func cacheMountName(_ id: String) -> String { Digest(of: id.utf8).hex }

  /// Writes down whose a cache is, and that it is used now. Beside it, for nothing of ours is to be in it.
  func noteCacheMount(_ path: FilePath, id: String) {
    // Without it, it can still be used.
    try? replaceFile(Self.note(of: path), Array(id.utf8.prefix(4096)))
  }

  private static func note(of path: FilePath) -> FilePath { FilePath(path.string + ".id") }

  /// All of them; while nobody builds, none is in use.
  func listCacheMounts() throws -> [CacheMount] {
    guard fileExists(cacheMounts) else { return [] }
    return try directoryEntries(cacheMounts).sorted().compactMap { name in
      let path = cacheMounts.appending(name)
      guard fileKind(path) == .directory else { return nil }
      let note = Self.note(of: path)
      let age = (try? fileAge(note)) ?? (try? fileAge(path)) ?? 0
      return CacheMount(
        name: name, id: try? readSmallFile(note, limit: 4096), path: path,
        usedAt: Timestamp.now / 1_000_000_000 - age)
    }
  }

  /// For whoever holds the collection lock alone.
  func removeCacheMount(_ mount: CacheMount) throws {
    // Its name goes at once, so that no build gets half of it.
    if let grave = try snapshots.unnameTree(mount.path) { reclaim([grave]) }
    // Its note, its lock, and notes that were not written to their end.
    for name in try directoryEntries(cacheMounts) where name.hasPrefix(mount.name + ".") {
      try removeFile(cacheMounts.appending(name))
    }
  }
}
