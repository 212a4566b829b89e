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

  /// What is in front of the name of one that is being filled.
  private static let unfinished = "new-"

  /// Where a cache is filled before it gets its name.
  func newCacheMount() -> FilePath {
    cacheMounts.appending("\(Self.unfinished)\(UInt64.random(in: .min ... .max))")
  }

  /// Of services that died while they filled them, where nobody builds.
  func unfinishedCacheMounts() throws -> [FilePath] {
    guard fileExists(cacheMounts) else { return [] }
    return try directoryEntries(cacheMounts).filter { $0.hasPrefix(Self.unfinished) }.map {
      cacheMounts.appending($0)
    }
  }

  /// All of them. While nobody builds, only containers of instructions that are kept use some.
  func listCacheMounts() throws -> [CacheMount] {
    guard fileExists(cacheMounts) else { return [] }
    return try directoryEntries(cacheMounts).sorted().compactMap { name in
      let path = cacheMounts.appending(name)
      guard fileKind(path) == .directory, !name.hasPrefix(Self.unfinished) else { return nil }
      let note = Self.note(of: path)
      let age = (try? fileAge(note)) ?? (try? fileAge(path)) ?? 0
      return CacheMount(
        name: name, id: try? readSmallFile(note, limit: 4096), path: path,
        usedAt: Timestamp.now / 1_000_000_000 - age)
    }
  }

  /// Those that nothing has mounted, while nobody builds.
  func idleCacheMounts() throws -> [CacheMount] {
    let inUse = try cacheMountsInUse()
    return try listCacheMounts().filter { !inUse.contains($0.name) }
  }

  /// Those that containers of kept instructions have mounted, by their names in the store.
  func cacheMountsInUse() throws -> Set<String> {
    let kept = try metadata.containers().filter { $0.session != nil }.map { try options($0) }
    let sources = kept.filter { $0.isBuildStep == true }.flatMap { $0.mounts ?? [] }.compactMap(\.source)
    return Set(
      sources.map { FilePath($0) }.filter { $0.starts(with: cacheMounts) }.compactMap {
        $0.components.dropFirst(cacheMounts.components.count).first?.string
      })
  }

  /// For whoever holds the collection lock alone.
  ///
  /// - Throws: `inUse` where a kept instruction's container has it mounted.
  func removeCacheMount(_ mount: CacheMount) throws {
    guard try !cacheMountsInUse().contains(mount.name) else {
      throw EngineError(
        .inUse, "an instruction that was kept has it mounted", subject: mount.name,
        hint: "remove the instruction's container first")
    }
    // Its name goes at once, so that no build gets half of it.
    if let grave = try snapshots.unnameTree(mount.path) { reclaim([grave]) }
    // Its note, its lock, and notes that were not written to their end.
    for name in try directoryEntries(cacheMounts) where name.hasPrefix(mount.name + ".") {
      try removeFile(cacheMounts.appending(name))
    }
  }
}
