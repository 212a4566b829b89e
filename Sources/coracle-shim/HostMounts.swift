import CLinux

/// Mounts that the shim makes for one start, in the host's mount namespace and with the service's privilege: what the
/// container's process could not, since its layers belong to ids that it does not have, or since its own mounts are cut off from
/// the host's. They are detached, and the process attaches them.
struct HostMounts {
  /// Above all numbers that the container's process gives descriptors.
  private static var lowest: CInt { 100 }
  private let list: UnsafeMutablePointer<CInt>
  private(set) var count = 0

  init(_ request: Request, _ host: HostSide) throws(Failure) {
    // More than a plan can have as slots in the process's low numbers is refused.
    guard host.mountCount + Int(request.preserved) < 90 else { throw Failure(CLINUX_STEP_REQUEST, E2BIG) }
    list = .allocate(capacity: max(1, host.mountCount))
    guard host.mountCount > 0 else { return }
    var operations = request.operations
    var index: UInt32 = 0
    var explanation = Explanation()
    do throws(Failure) {
      while index < host.end, let (code, fields) = operations.operation() {
        var fields = fields
        switch clinux_operation_code(code) {
        case CLINUX_OP_PREPARE_OVERLAY: try add(overlay(&fields, host))
        case CLINUX_OP_PREPARE_BIND: try add(bind(&fields, host))
        case CLINUX_OP_PREPARE_ROOT: try add(OverlayMount.make(&fields, &explanation))
        default: break
        }
        index += 1
      }
    } catch {
      close()
      var failure = Failure(error, of: index)
      failure.explanation = explanation
      throw failure
    }
  }

  subscript(index: Int) -> CInt { list[index] }

  mutating func close() {
    for index in 0..<count { _ = CLinux.close(list[index]) }
    count = 0
    list.deallocate()
  }

  private mutating func add(_ mount: CInt) throws(Failure) {
    defer { _ = CLinux.close(mount) }
    list[count] = try check(CLINUX_STEP_DUP, clinux_dup_above(mount, Self.lowest))
    count += 1
  }

  private func bind(_ fields: inout Fields, _ host: HostSide) throws(Failure) -> CInt {
    let mount = try BindClone.make(&fields, isPrivate: true)
    do throws(Failure) {
      if try fields.takeNumber() != 0 {
        guard host.userNamespace >= 0 else { throw Failure(CLINUX_STEP_MOUNT_IDMAP, EINVAL) }
        try check(CLINUX_STEP_MOUNT_IDMAP, clinux_mount_map(mount, host.userNamespace, 1))
      }
      return mount
    } catch {
      _ = CLinux.close(mount)
      throw error
    }
  }

  /// The layers are mounts whose ids are the container's, so that the files stay root's on the disk. The overlay works on them
  /// as the container's root, which alone has ids there, with all capabilities of this process.
  private mutating func overlay(_ fields: inout Fields, _ host: HostSide) throws(Failure) -> CInt {
    let user = UInt32(truncatingIfNeeded: try fields.takeNumber())
    let group = UInt32(truncatingIfNeeded: try fields.takeNumber())
    let context = try check(CLINUX_STEP_FSOPEN, clinux_fsopen("overlay"))
    defer { _ = CLinux.close(context) }
    try check(CLINUX_STEP_FSCONFIG, clinux_fsconfig(context, "source", "overlay"))
    // Open until the overlay is there: a detached mount goes with its descriptor.
    var layers: [CInt] = []
    defer { for layer in layers { _ = CLinux.close(layer) } }
    for _ in 0..<(try fields.takeNumber()) {
      let layer = try mapped(try fields.takeString(), host)
      layers.append(layer)
      try set(context, "lowerdir+", layer, "")
    }
    // One mount for both, as overlayfs wants it.
    let directory = try mapped(try fields.takeString(), host)
    layers.append(directory)
    try set(context, "upperdir", directory, "/upper")
    try set(context, "workdir", directory, "/work")
    try check(CLINUX_STEP_FSCONFIG, clinux_act_as(user, group))
    let created = clinux_fsconfig_create(context)
    let failure = Failure(CLINUX_STEP_FSCONFIG)
    _ = clinux_act_as(0, 0)
    if created < 0 { throw failure }
    return try check(CLINUX_STEP_FSMOUNT, clinux_fsmount(context, rootAttributes))
  }

  private func mapped(_ path: CString, _ host: HostSide) throws(Failure) -> CInt {
    let mount = try check(CLINUX_STEP_OPEN_TREE, clinux_open_tree_clone(AT_FDCWD, path, 0))
    if clinux_mount_map(mount, host.userNamespace, 0) < 0 {
      let failure = Failure(CLINUX_STEP_MOUNT_IDMAP)
      _ = CLinux.close(mount)
      throw failure
    }
    return mount
  }

  private func set(_ context: CInt, _ key: CString, _ mount: CInt, _ name: StaticString) throws(Failure) {
    // A descriptor's path has room for a few more bytes.
    var text = SmallText()
    text.add("/proc/self/fd/")
    text.add(UInt64(mount))
    text.add(name)
    try check(CLINUX_STEP_FSCONFIG, text.withCString { clinux_fsconfig(context, key, $0) })
  }
}
