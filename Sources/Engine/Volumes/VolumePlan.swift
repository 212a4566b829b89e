import EngineErrors
import OCIModel
import Runner
import SystemPackage

/// The volumes that a container is to have: those that it is asked to, and those of its image where nothing else is mounted.
///
/// Anonymous ones get their names here.
struct VolumePlan {
  struct Entry {
    var volume: ContainerVolume
    /// Of the volume, where it is made.
    var labels: [String: String] = [:]
    var copiesContent = true
    /// Of the mount.
    var options: [String] = []
  }
  private(set) var entries: [Entry] = []

  /// - Throws: `invalidArgument` for what cannot be.
  init(_ options: ContainerOptions, image: ImageConfig.Execution) throws(EngineError) {
    var taken: Set<String> = []
    for mount in options.mounts ?? [] {
      taken.insert(Self.place(mount.target))
      if mount.kind == .volume { entries.append(try Self.entry(mount)) }
    }
    for path in (image.volumes ?? [:]).keys.sorted() {
      let target = Self.place("/" + path)
      guard target != "/", !target.utf8.contains(0) else {
        throw EngineError(
          .invalidArgument, "image \(options.image) wants a volume at \(path.prefix(200)), where none can be",
          subject: options.image, hint: "make the image without that VOLUME")
      }
      guard taken.insert(target).inserted else { continue }
      entries.append(
        Entry(
          volume: ContainerVolume(
            name: ContainerName.newIdentifier(), target: target, isReadOnly: false, isAnonymous: true)))
    }
  }

  var volumes: [ContainerVolume] { entries.map(\.volume) }

  /// The names of all of them, each once.
  var names: Set<String> { Set(entries.map(\.volume.name)) }

  /// As OCI's configuration has them.
  ///
  /// - Parameters:
  ///   - hasUsers: whether the container has user ids of its own: the files' are then mapped, so that the same volume serves
  ///     others.
  ///   - data: where a volume's data are.
  func mounts(hasUsers: Bool, _ data: (String) -> FilePath) -> [RuntimeSpec.Mount] {
    entries.map { entry in
      // An image can bring device nodes, which are of no more use here than in its root.
      var options = ["rbind", "nodev"]
      if entry.volume.isReadOnly { options.append("rro") }
      if hasUsers { options.append("idmap") }
      if let subpath = entry.volume.subpath { options.append(MountCompiler.subpathOption + subpath) }
      return .init(
        entry.volume.target, type: "bind", source: data(entry.volume.name).string,
        options: options + entry.options)
    }
  }

  static func place(_ target: String) -> String { FilePath(target).lexicallyNormalized().string }

  private static func entry(_ mount: MountOptions) throws(EngineError) -> Entry {
    if let name = mount.source { try VolumeName.validate(name) }
    if mount.sizeBytes != nil || mount.mode != nil || mount.createsSource || mount.propagation != .private {
      throw EngineError(
        .invalidArgument, "a volume has no size, mode and propagation, and is made where it is missing",
        subject: mount.target, hint: "leave them out, or mount with the kind bind or tmpfs")
    }
    guard mount.target.hasPrefix("/"), !mount.target.utf8.contains(0) else {
      throw EngineError(
        .invalidArgument, "a mount's destination is not absolute: \(mount.target.prefix(200))",
        subject: "mounts", hint: "begin it with /")
    }
    var entry = Entry(
      volume: ContainerVolume(
        name: mount.source ?? ContainerName.newIdentifier(), target: place(mount.target),
        isReadOnly: mount.isReadOnly, isAnonymous: mount.source == nil))
    if let subpath = mount.subpath {
      guard mount.source != nil else {
        throw EngineError(
          .invalidArgument, "there is nothing in a new anonymous volume to mount: \(subpath.prefix(200))",
          subject: mount.target, hint: "name a volume")
      }
      entry.volume.subpath = try MountCompiler.checkedSubpath(subpath, of: mount.target)
    }
    entry.labels = mount.labels ?? [:]
    entry.copiesContent = (mount.copiesContent ?? true) && mount.subpath == nil
    entry.options = mount.options
    return entry
  }
}

/// The names of volumes.
enum VolumeName {
  /// - Throws: `invalidArgument` for what is no name of a directory.
  static func validate(_ name: String) throws(EngineError) {
    guard name.wholeMatch(of: #/[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}/#) == nil else { return }
    throw EngineError(
      .invalidArgument, "not a volume name: '\(name.prefix(200))'", subject: String(name.prefix(200)),
      hint: name.contains("/")
        ? "a directory of the host's is mounted with the kind bind, by its absolute path"
        : "a name is a letter or digit and then letters, digits, '_', '.' and '-', 128 at the most")
  }
}
