import EngineErrors
import LinuxSystem
import Metadata
import Runner

extension ContainerEngine {
  /// Makes an empty volume, which is on the disk then.
  ///
  /// - Parameter name: a generated one where nil.
  /// - Throws: `alreadyExists`, `invalidArgument`, `noSpace`. Cancellation leaves nothing.
  package func createVolume(_ name: String?, labels: [String: String], lifetime: Lifetime?) async throws
    -> VolumeSummary
  {
    let content = try await locks.holdContent()
    defer { content.release() }
    let record = try newVolume(name, labels, lifetime)
    while true {
      if try metadata.volume(record.name) != nil { throw volumeExists(record.name) }
      guard let (lock, _) = try await makeVolume(record, with: nil) else { continue }
      lock.release()
      return summary(UsedVolume(record: record, containers: []))
    }
  }

  func newVolume(_ name: String?, _ labels: [String: String], _ lifetime: Lifetime?) throws -> VolumeRecord {
    if let name { try VolumeName.validate(name) }
    return VolumeRecord(
      name: name ?? ContainerName.newIdentifier(), createdAt: Timestamp.now, labels: labels,
      session: lifetime == .session ? try ownSession() : nil)
  }

  func volumeExists(_ name: String) -> EngineError {
    EngineError(
      .alreadyExists, "there is a volume \(name) already", subject: name,
      hint: "give another name, or remove that volume")
  }

  /// - Parameter labels: only those with all of these, each `NAME` or `NAME=value`.
  package func listVolumes(labels: [String] = []) throws -> [VolumeSummary] {
    try metadata.volumes().filter { volume in
      labels.allSatisfy { wanted in
        let parts = wanted.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
          String.init)
        guard let value = volume.record.labels[parts[0]] else { return false }
        return parts.count == 1 || value == parts[1]
      }
    }.map(summary)
  }

  /// - Returns: also what it takes up on the disk, in bytes.
  package func inspectVolume(_ name: String) async throws -> (volume: VolumeSummary, bytes: Int64) {
    let volume = try usedVolume(name)
    guard fileExists(snapshots.volumeData(name)) else { throw missingDirectory(of: name) }
    let bytes = try await untilCancelled { isCancelled in
      try await onBlockingThread("disk usage") { [self] in
        try LinuxSystem.diskUsage(of: snapshots.volumeData(name), isCancelled: isCancelled)
      }
    }
    return (summary(volume), bytes)
  }

  /// Removes a volume with all that is in it: first its row, so that what the database names is always whole.
  ///
  /// Not stopped by cancellation.
  /// - Throws: `inUse`, with the names of the containers that use it.
  package func removeVolume(_ name: String) async throws {
    _ = try usedVolume(name)
    try await Task {
      let lock = try await momentaryLock(of: name)
      defer { lock?.release() }
      let isRemoved = try await metadata.removeVolume(name, events: [.volumeRemoved(name)])
      guard isRemoved else {
        throw EngineError(
          .notFound, "volume \(name) was removed meanwhile", subject: name, hint: "nothing is left to do")
      }
      Failpoint.volumeUnrecorded.pass()
      if let grave = try snapshots.unname(volume: name) { reclaim([grave]) }
    }.value
  }

  /// The lock of a volume that is to go; nil where its directory is gone. Others hold it while they make a container, or read all
  /// of the volume.
  private func momentaryLock(of name: String) async throws -> FileLock? {
    do {
      for _ in 0..<50 {
        if let lock = try FileLock.tryAcquire(snapshots.volumeLock(name)) { return lock }
        try await Task.sleep(for: .milliseconds(20))
      }
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      return nil
    }
    throw EngineError(
      .inUse, "volume \(name) is being used: a container is made with it, or it is exported", subject: name,
      hint: "try again", retriable: true)
  }

  /// Removes the directories of volumes whose rows went with their container's. What somebody holds is left to the next
  /// collection.
  func removeVolumeDirectories(_ names: [String]) {
    for name in names {
      guard let lock = try? FileLock.tryAcquire(snapshots.volumeLock(name)) else { continue }
      defer { lock.release() }
      // Somebody may have made another one of that name.
      guard (try? metadata.volume(name)) == .some(nil) else { continue }
      if let grave = try? snapshots.unname(volume: name) { reclaim([grave]) }
    }
  }

  /// - Throws: `notFound`, with the name that may have been meant.
  func usedVolume(_ name: String) throws -> UsedVolume {
    if let volume = try metadata.volumes(named: [name]).first { return volume }
    let names = try metadata.volumes().map(\.record.name)
    throw EngineError(
      .notFound, "no such volume: \(name.prefix(200))", subject: String(name.prefix(200)),
      hint: NearMiss.hint(name, in: names, ignoringCase: true) ?? "volume list shows those that are there")
  }

  func summary(_ volume: UsedVolume) -> VolumeSummary {
    VolumeSummary(
      record: volume.record, path: snapshots.volumeData(volume.record.name).string,
      containers: volume.containers)
  }
}
