import EngineErrors
import LinuxSystem
import OCIModel
import Runner
import SystemPackage

/// A container's own mounts as OCI's configuration has them.
struct ContainerMounts {
  private(set) var mounts: [RuntimeSpec.Mount] = []

  /// - Parameter volumes: those that stand in the list for volumes, and the image's.
  /// - Throws: `invalidArgument` for one that cannot be, `notFound` for a source that is not there.
  init(
    _ list: [MountOptions], volumes: [RuntimeSpec.Mount], isRootless: Bool
  ) throws(EngineError) {
    for mount in list {
      switch mount.kind {
      case .bind: mounts.append(try Self.bind(mount, isRootless: isRootless))
      case .tmpfs: mounts.append(try Self.tmpfs(mount))
      case .volume: break
      }
    }
    mounts += volumes
    var taken: Set<String> = []
    for mount in mounts {
      try MountCompiler.check(mount)
      guard taken.insert(VolumePlan.place(mount.destination)).inserted else {
        throw EngineError(
          .invalidArgument, "two things are to be mounted on \(mount.destination)",
          subject: mount.destination,
          hint: "leave one out, or mount it elsewhere")
      }
    }
    // What lies beneath another one would be covered by it.
    func depth(_ mount: RuntimeSpec.Mount) -> Int { VolumePlan.place(mount.destination).count { $0 == "/" } }
    mounts = mounts.enumerated().sorted { (depth($0.element), $0.offset) < (depth($1.element), $1.offset) }
      .map(\.element)
  }

  /// The usual mounts with these after them; what one of these covers is left out.
  func merged(with usual: [RuntimeSpec.Mount]) -> [RuntimeSpec.Mount] {
    guard !mounts.isEmpty else { return usual }
    func place(_ mount: RuntimeSpec.Mount) -> String { VolumePlan.place(mount.destination) }
    let covered = Set(mounts.map(place))
    return usual.filter { !covered.contains(place($0)) } + mounts
  }

  private static func bind(_ mount: MountOptions, isRootless: Bool) throws(EngineError) -> RuntimeSpec.Mount {
    guard let source = mount.source, source.hasPrefix("/"), !source.utf8.contains(0) else {
      throw EngineError(
        .invalidArgument, "a bind mount's source is not an absolute path: \(mount.source?.prefix(200) ?? "")",
        subject: mount.target, hint: "begin it with /, or name a volume")
    }
    if mount.sizeBytes != nil || mount.mode != nil {
      throw EngineError(
        .invalidArgument, "a bind mount has the size and mode of its source", subject: mount.target,
        hint: "leave out the size and the mode, or mount a tmpfs")
    }
    if !fileExists(FilePath(source)) {
      guard mount.createsSource else {
        throw EngineError(
          .notFound, "the source of a bind mount is not there: \(source)", subject: source,
          hint: "make it, or ask for it to be made (createsSource)")
      }
      do { try makeDirectories(FilePath(source), mode: 0o755) } catch {
        throw EngineError("make the source of a bind mount", wrapping: error, subject: source)
      }
    }
    var subpath: String?
    if let asked = mount.subpath {
      let checked = try MountCompiler.checkedSubpath(asked, of: mount.target)
      try checkSubpath(checked, of: FilePath(source), source)
      subpath = checked
    }
    if isRootless, mount.propagation == .shared {
      throw EngineError(
        .unsupported, "an ordinary user's container cannot share its mounts with the host",
        subject: mount.target,
        hint: "with slave, the container sees the host's")
    }
    let prefix = mount.isRecursive ? "r" : ""
    var options = ["\(prefix)bind"]
    // Private is what all mounts of a container are.
    if mount.propagation != .private { options.append(prefix + mount.propagation.rawValue) }
    if mount.isReadOnly { options.append("\(prefix)ro") }
    if mount.isIDMapped { options.append("\(prefix)idmap") }
    if let subpath { options.append(MountCompiler.subpathOption + subpath) }
    return .init(mount.target, type: "bind", source: source, options: options + mount.options)
  }

  private static func tmpfs(_ mount: MountOptions) throws(EngineError) -> RuntimeSpec.Mount {
    if mount.source != nil || mount.subpath != nil || mount.createsSource || mount.isIDMapped
      || mount.propagation != .private
    {
      throw EngineError(
        .invalidArgument, "a tmpfs has no source, no mapping and no propagation", subject: mount.target,
        hint: "leave them out, or mount with the kind bind")
    }
    var options = ["nosuid", "nodev", "noexec", "mode=\(String(mount.mode ?? 0o1777, radix: 8))"]
    if let size = mount.sizeBytes { options.append("size=\(size)") }
    if mount.isReadOnly { options.append("ro") }
    return .init(mount.target, type: "tmpfs", source: "tmpfs", options: options + mount.options)
  }
}
