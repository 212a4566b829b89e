import EngineErrors
import OCIModel
import SystemPackage

/// What of a container's mounts the shim makes beforehand, with the host's privilege and in the host's mount namespace.
struct HostPreparation {
  /// Stand at the beginning of the plan.
  private(set) var operations: [LaunchPlan.Operation]
  private let mapping: LaunchPlan.UserMapping?
  /// Whether the container's process has other ids than the service.
  let hasUsers: Bool
  private let isRootless: Bool
  /// Whether the shim may make mounts at all.
  private let isPrivileged: Bool
  private var slots = 0

  /// For an OCI runtime, which may itself have a mount namespace of its caller's.
  init(
    _ linux: RuntimeSpec.Linux, joins: [LaunchPlan.Operation], isPrivileged: Bool
  ) throws(EngineError) {
    try self.init(linux, joins: joins, isRootless: !isPrivileged, isPrivileged: isPrivileged)
  }

  /// - Parameter joins: the namespaces that are joined.
  init(
    _ linux: RuntimeSpec.Linux, joins: [LaunchPlan.Operation], isRootless: Bool, isPrivileged: Bool = true
  ) throws(EngineError) {
    mapping = try Self.mapping(linux)
    hasUsers = mapping != nil || joins.contains(where: \.joinsUser)
    self.isRootless = isRootless
    self.isPrivileged = isPrivileged
    operations = joins
    if let mapping { operations.append(.mapUsers(mapping)) }
  }

  mutating func root(_ root: OverlayRoot) throws(EngineError) -> LaunchPlan.Operation {
    guard let mapping else {
      return .mountOverlayRoot(
        lowers: root.lowers, upper: root.upper, work: root.work, userXattrs: isRootless,
        isVolatile: root.isVolatile)
    }
    let directory = root.upper.removingLastComponent()
    guard root.upper == directory.appending("upper"), root.work == directory.appending("work") else {
      throw EngineError(.internal, "the layers of a container with its own ids are not side by side")
    }
    operations.append(.prepareOverlay(lowers: root.lowers, directory: directory, mapping))
    return .attachRoot(slot: nextSlot())
  }

  /// A directory as the root.
  mutating func root(
    _ directory: FilePath, _ propagation: (kind: LaunchPlan.BindMount.Propagation, isRecursive: Bool)?
  ) throws(EngineError) -> LaunchPlan.Operation {
    // All others are made when it is the root; this one needs the host's mount.
    let isSlave = propagation?.kind == .slave
    if isSlave, !isPrivileged {
      throw EngineError(
        .unsupported, "an ordinary user's container cannot see mounts that the host makes later",
        subject: "linux.rootfsPropagation")
    }
    guard isPrivileged, hasUsers || isSlave else { return .bindRoot(source: directory) }
    var bind = LaunchPlan.BindMount(directory, isRecursive: true)
    if isSlave {
      bind.propagation = .slave
      bind.isPropagationRecursive = true
    }
    operations.append(.prepareBind(bind))
    return .attachRoot(slot: nextSlot())
  }

  /// A mount as the container's process makes it, or attaches it.
  mutating func mount(_ mount: RuntimeSpec.Mount) throws(EngineError) -> LaunchPlan.Operation {
    let operation = try MountCompiler.operation(mount, canMap: true)
    guard case .bind(var bind, let target) = operation else { return operation }
    if bind.isIDMapped, mapping == nil {
      guard !isRootless, !hasUsers else {
        throw EngineError(
          .unsupported, "the ids of a mount can only be mapped for a container with ids of its own",
          subject: target, hint: "that is for root: a container with the user namespace auto")
      }
      // Its ids are the host's, and so are the files'.
      bind.isIDMapped = false
    }
    let isConnected = bind.propagation == .slave || bind.propagation == .shared
    if isConnected, isRootless {
      throw EngineError(
        .unsupported, "an ordinary user's container cannot see mounts that the host makes later",
        subject: target,
        hint: "leave out the propagation")
    }
    guard isPrivileged, hasUsers || isConnected else { return .bind(bind, target: target) }
    operations.append(.prepareBind(bind))
    return .attach(slot: nextSlot(), target: target)
  }

  /// Whether the container has more than one group of its own, and its processes may change theirs.
  var mapsGroups: Bool { mapping.map { $0.groups.count > 1 || $0.groups.contains { $0.count > 1 } } ?? false }

  private mutating func nextSlot() -> Int {
    defer { slots += 1 }
    return slots
  }

  private static func mapping(_ linux: RuntimeSpec.Linux) throws(EngineError) -> LaunchPlan.UserMapping? {
    let isNew = (linux.namespaces ?? []).contains { $0.type == "user" && ($0.path ?? "").isEmpty }
    guard isNew else { return nil }
    func extents(_ list: [RuntimeSpec.IDMapping]?) -> [LaunchPlan.UserMapping.Extent] {
      (list ?? []).map { .init(inside: $0.containerID, outside: $0.hostID, count: $0.size) }
    }
    let mapping = LaunchPlan.UserMapping(
      users: extents(linux.uidMappings), groups: extents(linux.gidMappings))
    guard LaunchPlan.UserMapping.root(mapping.users) != nil,
      LaunchPlan.UserMapping.root(mapping.groups) != nil,
      mapping.users.count <= 340, mapping.groups.count <= 340
    else {
      throw EngineError(
        .invalidArgument, "a user namespace needs a mapping that has its root", subject: "linux.uidMappings")
    }
    return mapping
  }
}
