import EngineErrors
import LinuxSystem
import Metadata
import SystemPackage

/// Volumes on their way into the store, by whoever asks for them first.
///
/// A volume's directory is made and filled where nobody looks for it, gets its name, and is on the disk before its row is. Who makes
/// it holds its lock from the beginning on, so that whoever finds the directory without a row waits, and then either finds
/// the row or knows that the maker has died.
extension ContainerEngine {
  /// Makes a volume. The caller holds the content lock.
  ///
  /// - Returns: also its lock, held exclusively; nil where another one has that name, or had it.
  func makeVolume(_ record: VolumeRecord, with content: VolumeContent?) async throws -> (
    lock: FileLock, filled: FilledVolume
  )? {
    let stage = try snapshots.stageVolume()
    var place = stage
    do {
      let lock = try await FileLock.acquire(stage.appending("lock"))
      do {
        var filled = FilledVolume()
        if let content { filled = try await fill(stage.appending("data"), with: content, setsRoot: true) }
        Failpoint.volumeFilled.pass()
        guard try snapshots.name(stage, volume: record.name) else {
          lock.release()
          reclaim([stage])
          try await discardVolumeWithoutRow(record.name)
          return nil
        }
        place = snapshots.volumeDirectory(record.name)
        let isFilled = filled.entries > 0
        if isFilled || !record.isAnonymous {
          try await onBlockingThread("sync") { [snapshots] in
            try snapshots.sync(volume: record.name, isFilled: isFilled)
          }
        }
        try await metadata.insertVolume(
          record, isDurable: !record.isAnonymous,
          events: [.volumeCreated(record.name, isAnonymous: record.isAnonymous)]
            + (isFilled ? [.volumeFilled(record.name, entries: filled.entries)] : []))
        Failpoint.volumeRecorded.pass()
        return (lock, filled)
      } catch {
        lock.release()
        throw error
      }
    } catch {
      if place == stage {
        reclaim([stage])
      } else if let grave = try? snapshots.unname(volume: record.name) {
        reclaim([grave])
      }
      throw EngineError("create the volume \(record.name)", wrapping: error, subject: record.name)
    }
  }

  /// Fills a volume whose lock the caller holds exclusively, and which is empty.
  ///
  /// Where no container uses it, another directory takes the place of the empty one when it is whole and on the disk. Else
  /// containers may see the empty one, and what is whole and on the disk is moved into it: from then on nothing stops that, and a
  /// service's death leaves the rest to whoever has the volume next.
  func fillVolume(_ name: String, with content: VolumeContent) async throws -> FilledVolume {
    let isUsed = try metadata.volumes(named: [name]).first?.containers.isEmpty == false
    let data = snapshots.volumeData(name)
    if case .image(_, _, isEmpty: true) = content {
      return isUsed ? FilledVolume() : try await fill(data, with: content, setsRoot: true)
    }
    let stage = try snapshots.stageVolume()
    defer { reclaim([stage]) }
    let filled = try await fill(stage.appending("data"), with: content, setsRoot: !isUsed)
    Failpoint.volumeFilled.pass()
    try await onBlockingThread("sync") { [snapshots] in
      if isUsed {
        try snapshots.moveContent(of: stage, into: name)
      } else {
        try snapshots.replaceData(of: name, by: stage)
      }
    }
    try await metadata.append(.volumeFilled(name, entries: filled.entries))
    return filled
  }

  /// Sees to it that what was on its way into a volume when a service died is in it.
  func completeVolume(_ name: String) async throws {
    guard snapshots.hasComingContent(name),
      let lock = try await locks.holdVolume(snapshots.volumeLock(name), .exclusive)
    else { return }
    defer { lock.release() }
    try await onBlockingThread("sync") { [snapshots] in try snapshots.completeContent(of: name) }
  }

  /// The same for all of them, in a service's own time.
  func completeVolumes() async {
    do {
      for name in try snapshots.volumeNames() {
        do {
          try await completeVolume(name)
        } catch {
          if error is CancellationError { return }
          log.warning("cannot fill the volume \(name) to its end: \(error)")
        }
      }
    } catch {
      if !(error is CancellationError) { log.warning("cannot fill volumes to their end: \(error)") }
    }
  }

  /// Waits for whoever makes a volume or removes it; what neither has finished goes.
  func discardVolumeWithoutRow(_ name: String) async throws {
    guard let lock = try await locks.holdVolume(snapshots.volumeLock(name), .exclusive) else { return }
    defer { lock.release() }
    if try metadata.volume(name) == nil, let grave = try snapshots.unname(volume: name) { reclaim([grave]) }
  }

  /// Whether nothing is in it; false where it is not there.
  func isEmptyVolume(_ name: String) -> Bool {
    (try? isEmptyDirectory(snapshots.volumeData(name))) ?? false
  }

  func missingDirectory(of name: String) -> EngineError {
    EngineError(
      .corrupt, "the directory of the volume \(name) is gone", subject: name,
      hint: "somebody removed it without the engine; remove the volume, too")
  }
}
