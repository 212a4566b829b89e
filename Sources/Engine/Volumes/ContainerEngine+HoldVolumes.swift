import EngineErrors
import LinuxSystem
import Metadata
import SystemPackage

/// A volume that a container is about to use. While it is held nobody removes it; from the container's row on, that protects it.
struct HeldVolume: Sendable {
  var name: String
  var lock: FileLock
  /// Made for this container, and nobody else knows of it.
  var isOwn: Bool
}

extension ContainerEngine {
  /// Makes those volumes of a container that are not there, and puts into those that are empty what the image has at their
  /// targets. The caller holds the content lock, and releases or discards what it gets.
  ///
  /// - Parameter lowers: the image's layers, the uppermost first.
  /// - Throws: as `makeVolume`; `notFound` for a subpath that is not there. Anonymous volumes do not stay then, named ones do.
  func hold(_ plan: VolumePlan, lowers: [FilePath]) async throws -> [HeldVolume] {
    var held: [HeldVolume] = []
    do {
      // In one order, so that no two wait for each other.
      for name in plan.names.sorted() {
        held.append(try await hold(name, plan.entries.filter { $0.volume.name == name }, lowers))
      }
      for entry in plan.entries {
        if let subpath = entry.volume.subpath {
          try checkSubpath(
            subpath, of: snapshots.volumeData(entry.volume.name), "volume \(entry.volume.name)")
        }
      }
      return held
    } catch {
      await discard(held)
      throw error
    }
  }

  private func hold(_ name: String, _ entries: [VolumePlan.Entry], _ lowers: [FilePath]) async throws
    -> HeldVolume
  {
    func content() throws -> VolumeContent? {
      for entry in entries where entry.copiesContent {
        if let found = try VolumeContent.image(lowers, at: entry.volume.target) { return found }
      }
      return nil
    }
    let isOwn = entries.contains { $0.volume.isAnonymous }
    while true {
      guard try metadata.volume(name) != nil else {
        let record = VolumeRecord(
          name: name, isAnonymous: isOwn, createdAt: Timestamp.now,
          labels: entries.reduce(into: [:]) { $0.merge($1.labels) { first, _ in first } })
        guard let (lock, _) = try await makeVolume(record, with: content()) else { continue }
        return HeldVolume(name: name, lock: lock, isOwn: isOwn)
      }
      try await completeVolume(name)
      let filling = isEmptyVolume(name) ? try content() : nil
      guard
        let lock = try await locks.holdVolume(
          snapshots.volumeLock(name), filling == nil ? .shared : .exclusive)
      else {
        if try metadata.volume(name) == nil { continue }
        throw missingDirectory(of: name)
      }
      do {
        if try metadata.volume(name) == nil {
          // Removed meanwhile.
          lock.release()
          continue
        }
        if let filling, isEmptyVolume(name) { _ = try await fillVolume(name, with: filling) }
        return HeldVolume(name: name, lock: lock, isOwn: false)
      } catch {
        lock.release()
        throw EngineError("use the volume \(name)", wrapping: error, subject: name)
      }
    }
  }

  /// For a container that is not to be.
  func discard(_ held: [HeldVolume]) async {
    for volume in held { volume.lock.release() }
    await Task {
      for volume in held where volume.isOwn { try? await removeVolume(volume.name) }
    }.value
  }
}

/// - Parameter what: the source, for people.
/// - Throws: `notFound` where there is no such path beneath it, `invalidArgument` where a link leads out.
func checkSubpath(_ subpath: String, of source: FilePath, _ what: String) throws(EngineError) {
  do {
    let top = try openDirectory(source)
    _ = try top.descriptor.openPlaceBeneath(subpath)
  } catch {
    switch error.errno {
    case .improperLink:
      throw EngineError(
        .invalidArgument, "a link leads from \(subpath) out of \(what)", subject: subpath,
        causes: [error.description], hint: "name the place that it leads to by a mount of its own")
    case .noSuchFileOrDirectory:
      throw EngineError(
        .notFound, "there is no \(subpath) in \(what)", subject: subpath, causes: [error.description],
        hint: "make it there first, or mount all of it")
    default: throw EngineError("mount \(subpath) of \(what)", error, subject: subpath)
    }
  }
}
