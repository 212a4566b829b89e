package import EngineErrors
import LinuxSystem
package import SystemPackage

/// Volumes: each a directory `NAME` with `data`, which containers see, `lock`, and for a moment `coming`, what is about to be in
/// `data`.
extension Snapshots {
  /// What containers see of a volume.
  package func volumeData(_ name: String) -> FilePath { volumeDirectory(name).appending("data") }

  /// The volume itself, as long as it is one: the lock goes with its directory.
  package func volumeLock(_ name: String) -> FilePath { volumeDirectory(name).appending("lock") }

  package func volumeDirectory(_ name: String) -> FilePath { volumes.appending(name) }

  /// The names of all directories of volumes.
  package func volumeNames() throws -> [String] { try directoryEntries(volumes) }

  /// A directory with empty `data` that becomes a volume by its name.
  package func stageVolume() throws(EngineError) -> FilePath {
    let stage = staging.appending("volume-\(UInt64.random(in: .min ... .max))")
    do {
      try makeDirectories(stage, mode: 0o700)
      let data = stage.appending("data")
      try makeDirectories(data, mode: 0o755)
      // Whatever the service's umask is.
      let opened = try openDirectory(data)
      try opened.descriptor.setPermissions(0o755)
      Failpoint.volumeStaged.pass()
      return stage
    } catch {
      try? removeTree(stage)
      throw EngineError("make the directory of a volume", error, subject: stage.string)
    }
  }

  /// Gives a staged volume its name.
  ///
  /// - Returns: false where there is a directory of that name.
  package func name(_ stage: FilePath, volume name: String) throws(EngineError) -> Bool {
    do {
      let isNamed = try renameUnlessPresent(stage, to: volumeDirectory(name))
      Failpoint.volumeRenamed.pass()
      return isNamed
    } catch {
      throw EngineError("name the volume \(name)", error, subject: name)
    }
  }

  /// Puts a staged volume's data, when they are on the disk, in the place of a volume's, which is empty. Blocks.
  package func replaceData(of name: String, by stage: FilePath) throws(EngineError) {
    do {
      let staged = try openDirectory(stage)
      try staged.descriptor.syncFileSystem()
      try rename(stage.appending("data"), to: volumeData(name))
      Failpoint.volumeReplaced.pass()
      let directory = try openDirectory(volumeDirectory(name))
      try directory.descriptor.sync()
    } catch {
      throw EngineError("fill the volume \(name)", error, subject: name)
    }
  }

  /// Whether content is on its way into a volume's data that others see.
  package func hasComingContent(_ name: String) -> Bool { fileExists(comingContent(of: name)) }

  private func comingContent(of name: String) -> FilePath { volumeDirectory(name).appending("coming") }

  /// Moves a staged volume's data, when they are on the disk, into a volume's, which are empty and in others' use. Blocks.
  ///
  /// From its first step on all of it comes: what this does not come to, `completeContent` does.
  package func moveContent(of stage: FilePath, into name: String) throws(EngineError) {
    do {
      let staged = try openDirectory(stage)
      try staged.descriptor.syncFileSystem()
      try rename(stage.appending("data"), to: comingContent(of: name))
      Failpoint.volumeContentComing.pass()
      let directory = try openDirectory(volumeDirectory(name))
      try directory.descriptor.sync()
    } catch {
      throw EngineError("fill the volume \(name)", error, subject: name)
    }
    try completeContent(of: name)
  }

  /// Moves what is still to come into a volume's data, for whoever holds its lock exclusively. What a container has put there
  /// meanwhile stays. Blocks.
  package func completeContent(of name: String) throws(EngineError) {
    guard hasComingContent(name) else { return }
    do {
      try moveComingEntries(of: name)
      try removeTree(comingContent(of: name))
      let directory = try openDirectory(volumeDirectory(name))
      try directory.descriptor.sync()
    } catch {
      throw EngineError("fill the volume \(name)", wrapping: error, subject: name)
    }
  }

  private func moveComingEntries(of name: String) throws {
    let coming = try openDirectory(comingContent(of: name))
    let data = try openDirectory(volumeData(name))
    for entry in try coming.descriptor.sortedEntries() {
      try move(entry, from: coming.descriptor, to: data.descriptor)
    }
    try data.descriptor.sync()
  }

  private func move(_ entry: DirectoryEntry, from coming: FileDescriptor, to data: FileDescriptor)
    throws(SystemError)
  {
    do throws(SystemError) {
      try coming.rename(entry.cName, to: entry.cName, in: data)
    } catch  where error.errno == .fileExists {}
    Failpoint.volumeEntryMoved.pass()
  }

  /// Waits until a volume is on the disk with its name.
  ///
  /// - Parameter isFilled: whether there are files in it. Those of others wait to be written, too, then (syncfs(2)); without, only
  ///   three directories are (fsync(2)).
  package func sync(volume name: String, isFilled: Bool) throws(EngineError) {
    do {
      if isFilled {
        let all = try openDirectory(volumes)
        try all.descriptor.syncFileSystem()
      } else {
        for path in [volumeData(name), volumeDirectory(name), volumes] {
          let directory = try openDirectory(path)
          try directory.descriptor.sync()
        }
      }
      Failpoint.volumeSynced.pass()
    } catch {
      throw EngineError("write the volume \(name) to the disk", error, subject: name)
    }
  }

  /// Takes the name away from a volume's directory.
  ///
  /// - Returns: where its tree is now, for whoever removes it; nil where there was none.
  package func unname(volume name: String) throws(EngineError) -> FilePath? {
    do { return try unname(volumeDirectory(name)) } catch {
      throw EngineError("remove the volume \(name)", wrapping: error, subject: name)
    }
  }
}
