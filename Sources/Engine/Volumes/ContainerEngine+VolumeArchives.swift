import EngineErrors
import Layers
import LinuxSystem
import Metadata
import SystemPackage

extension ContainerEngine {
  /// Writes what is in a volume as a tar archive, as `./` with its owner and permissions and what is in it. Nobody removes the
  /// volume meanwhile.
  ///
  /// - Returns: how many bytes there were.
  /// - Throws: `notFound`, and what `writeArchive` throws. Cancellation leaves nothing.
  package func exportVolume(
    _ name: String, to output: ArchiveOutput, reporter: TaskReporter = .silent
  ) async throws -> Int64 {
    _ = try usedVolume(name)
    try await completeVolume(name)
    guard let lock = try await locks.holdVolume(snapshots.volumeLock(name), .shared) else {
      throw missingDirectory(of: name)
    }
    defer { lock.release() }
    _ = try usedVolume(name)
    return try await reporter.task("export \(name)") { [self] progress, _ in
      try await writeArchive(to: output, progress: progress) { [self] sink in
        let directory = try openDirectory(snapshots.volumeDirectory(name))
        let tree = TreeArchive(
          .entry(Array("data".utf8), of: directory.descriptor, as: Array(".".utf8)),
          overlayXattrs: unpackOptions.overlayXattrs)
        _ = try tree.write(sink: sink)
      }
    }
  }

  /// Makes a volume of a tar archive, or fills one that is empty and that no container uses.
  ///
  /// - Parameter name: a generated one where nil.
  /// - Throws: `conflict` for one that is not empty, or used; `corrupt` for what is no archive; `noSpace`. After an error, or a
  ///   cancellation, there is nothing of the archive.
  package func importVolume(
    _ name: String?, from source: ArchiveSource, labels: [String: String], lifetime: Lifetime?,
    reporter: TaskReporter = .silent
  ) async throws -> ImportedVolume {
    let content = try await locks.holdContent()
    defer { content.release() }
    let record = try newVolume(name, labels, lifetime)
    return try await reporter.task("import \(source.name)", total: try source.size) { [self] progress, _ in
      try await withTaskCancellationHandler {
        let filled = try await fillOrMake(record, .archive(source, progress))
        return ImportedVolume(
          volume: summary(try usedVolume(record.name)), entries: filled.entries, warnings: filled.warnings)
      } onCancel: {
        source.stop()
      }
    }
  }

  private func fillOrMake(_ record: VolumeRecord, _ content: VolumeContent) async throws -> FilledVolume {
    let name = record.name
    try await completeVolume(name)
    if try metadata.volume(name) != nil,
      let lock = try await locks.holdVolume(snapshots.volumeLock(name), .exclusive)
    {
      defer { lock.release() }
      let volume = try usedVolume(name)
      guard volume.containers.isEmpty, isEmptyVolume(name) else {
        throw EngineError(
          .conflict,
          volume.containers.isEmpty
            ? "volume \(name) is not empty"
            : "volume \(name) is used by \(volume.containers.joined(separator: ", "))",
          subject: name, hint: "give the name of an empty volume, or of none", retriable: false)
      }
      do { return try await fillVolume(name, with: content) } catch {
        throw EngineError("import the volume \(name)", wrapping: error, subject: name)
      }
    }
    guard let (lock, filled) = try await makeVolume(record, with: content) else {
      // The archive has been read, and may be a stream.
      throw EngineError(
        .conflict, "the volume \(name) was made meanwhile", subject: name, hint: "try again")
    }
    lock.release()
    return filled
  }
}
