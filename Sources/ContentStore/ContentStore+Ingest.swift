import EngineErrors
package import LinuxSystem
package import OCIModel
import SystemPackage

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

  /// Removes what services that were killed have left of blobs that never became whole. For whoever knows that nobody
  /// takes in content meanwhile.
  package func sweep() throws {
    for name in try directoryEntries(partials) { try removeFile(partials.appending(name)) }
  }
}
