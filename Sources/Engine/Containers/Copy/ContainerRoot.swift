import EngineErrors
import Glibc
import LinuxSystem
import Metadata
import SystemPackage

/// A container's root directory, to work in from outside: as its processes see it while it runs, with all that is mounted
/// in it, and else as an overlay with its volumes and binds in a mount namespace of their own. What is looked up in it stays in it.
struct ContainerRoot: ~Copyable {
  let directory: OwnedDescriptor
  /// The first id outside of its own ones, as the files show it.
  let idShift: Int64
  /// Keeps what is mounted in it: nil where nothing is, or where that is the container's.
  private let mounts: OwnedDescriptor?
  /// Keeps it from being started and removed: nil for one that runs. The last to go with the value: by then the overlay is taken
  /// down, and who starts the container does not mount a second one on the same layer.
  private let lock: FileLock?

  fileprivate init(
    _ directory: consuming OwnedDescriptor, idShift: Int64, lock: FileLock?,
    mounts: consuming OwnedDescriptor? = nil
  ) {
    self.directory = directory
    self.mounts = mounts
    self.idShift = idShift
    self.lock = lock
  }
}

extension ContainerEngine {
  /// Opens a container's root, and keeps one that does not run from being started as long as it is open.
  ///
  /// - Throws: `conflict` for one that is about to start again by itself; `unsupported` where the kernel is older than 6.8
  ///   and the container does not run.
  func openRoot(of name: String) async throws -> ContainerRoot {
    let record = try await current(name)
    let use = try await locks.holdRoot(record.id)
    do {
      let lock = try await locks.holdContainer(record.id)
      defer { lock.release() }
      guard let stored = try metadata.container(id: record.id) else { throw removedMeanwhile(record) }
      let record = try await settle(stored)
      switch record.state {
      case .running, .paused:
        defer { use.release() }
        let users = try spec(record.id).linux?.uidMappings?.first
        return ContainerRoot(
          try runner.openRoot(record.id), idShift: Int64(users?.hostID ?? 0), lock: nil)
      case .restarting:
        throw EngineError(
          .conflict, "container \(record.name) is about to start again by itself", subject: record.id,
          hint: "try again, or stop it", retriable: true)
      case .created, .exited:
        let (root, mounts) = try await mountedRoot(of: record)
        return ContainerRoot(
          OwnedDescriptor(root), idShift: 0, lock: use, mounts: mounts.map { OwnedDescriptor($0) })
      }
    } catch {
      use.release()
      throw error
    }
  }

  /// Waits until nobody has the container's root open, for as long as `deadline`.
  ///
  /// - Throws: `inUse`; `CancellationError`.
  func awaitRoot(of record: ContainerRecord, until deadline: ContinuousClock.Instant?) async throws {
    if let deadline, deadline <= .now {
      throw EngineError(
        .inUse, "files of container \(record.name) are being copied", subject: record.id,
        hint: "wait until that has ended, or cancel it", retriable: true)
    }
    try await Task.sleep(for: .milliseconds(20))
  }

  /// How long a request waits for others' copies: most are over by then, and a client that stalls in one holds nobody up for ever.
  static var copyPatience: Duration { .seconds(5) }

  /// Both descriptors are the caller's; the second is the namespace of what is mounted in the root, if anything is.
  private func mountedRoot(of record: ContainerRecord) async throws -> (FileDescriptor, FileDescriptor?) {
    let root = try root(of: record)
    let mounts = treeMounts(try options(record))
    do {
      return try await onBlockingThread("mount") { [mountPoints, configuration] in
        let mounted = try mountDetachedOverlay(
          lowers: root.lowers + [mountPoints], upper: root.upper, work: root.work,
          userXattrs: configuration.isRootless)
        let namespace =
          mounts.isEmpty
          ? nil : try mountPrivately(mounted.descriptor, on: mountPoints, with: mounts).release()
        return (mounted.release(), namespace)
      }
    } catch let error as SystemError where error.errno == .invalidArgument {
      throw EngineError(
        .unsupported, "cannot reach the files of container \(record.name), which does not run",
        subject: record.id, causes: [error.description], hint: "start it, or use Linux 6.8 or later")
    } catch {
      throw EngineError("reach the files of container \(record.name)", wrapping: error, subject: record.id)
    }
  }

  /// A container's volumes and binds, those that lie in others after them.
  private func treeMounts(_ options: ContainerOptions) -> [TreeMount] {
    let binds = (options.mounts ?? []).filter { $0.kind == .bind }.compactMap { mount in
      mount.source.map {
        TreeMount(
          source: FilePath($0), subpath: mount.subpath, target: FilePath(mount.target),
          isReadOnly: mount.isReadOnly)
      }
    }
    let volumes = (options.volumes ?? []).map {
      TreeMount(
        source: snapshots.volumeData($0.name), subpath: $0.subpath, target: FilePath($0.target),
        isReadOnly: $0.isReadOnly)
    }
    return (binds + volumes).sorted { $0.target.components.count < $1.target.components.count }
  }
}
