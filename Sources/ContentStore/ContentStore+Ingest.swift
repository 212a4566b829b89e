import EngineErrors
package import LinuxSystem
package import OCIModel
package import SystemPackage

extension ContentStore {
  /// Makes the caller the only one, in all processes, who takes in a blob; waits while another does.
  ///
  /// After it the caller looks again whether the blob is there by now.
  /// - Parameter progress: gets how far the other is, in bytes, about twenty times a second.
  /// - Throws: `CancellationError` when the task is cancelled.
  package func withIngestLock(_ digest: Digest, progress: (Int64) -> Void = { _ in }) async throws -> FileLock
  {
    let partial = partials.appending("\(digest.hex).partial")
    return try await FileLock.acquire(partials.appending("\(digest.hex).lock")) {
      if let size = try? fileSize(partial) { progress(size) }
    }
  }

  /// How long what came of a blob waits for somebody to go on with it, in seconds.
  package static let partialLife: Int64 = 24 * 3600

  /// Removes what is left of blobs that never became whole and that nobody has gone on with for `partialLife`. A writer
  /// that is under way writes more often.
  package func removeStalePartials() throws {
    for name in try directoryEntries(partials) where name.hasSuffix(".partial") {
      let path = partials.appending(name)
      func isStale() -> Bool { (try? fileAge(path)).map { $0 >= Self.partialLife } ?? false }
      guard isStale() else { continue }
      // Whoever goes on with one reads it for a while before it writes.
      guard let lock = try FileLock.tryAcquire(partials.appending(name.dropLast("partial".count) + "lock"))
      else { continue }
      defer { lock.releaseAndRemove() }
      // One that has just become whole has another name by now.
      guard isStale() else { continue }
      try removeFile(path)
      Failpoint.partialRemoved.pass()
    }
  }

  /// The files of blobs that are not whole (yet), each with the blob's digest where a later pull can go on with it.
  package func partialFiles() throws -> [(blob: Digest?, path: FilePath)] {
    try directoryEntries(partials).map { name in
      let stem = name.hasSuffix(".partial") ? String(name.dropLast(".partial".count)) : ""
      return (Digest(hex: stem), partials.appending(name))
    }
  }

  /// Removes besides stale partials all that is of no use without the process that made it. For whoever knows that nobody
  /// takes in content meanwhile.
  package func sweep() throws {
    try removeStalePartials()
    for name in try directoryEntries(partials) where !name.hasSuffix(".partial") || name.hasPrefix("new-") {
      try removeFile(partials.appending(name))
    }
  }
}
