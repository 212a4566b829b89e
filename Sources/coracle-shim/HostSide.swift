import CLinux

/// What the shim does before it clones the container's process, in the host's namespaces and with the service's
/// privilege: the operations that a plan begins with.
///
/// Descriptors stay open for the shim's life, so that a namespace which is joined is still there for a later start.
struct HostSide {
  private static var most: Int { 8 }
  private var joined: UnsafeMutablePointer<clinux_joined>?
  private var count = 0
  /// The index in the plan of the first of `joined`.
  private var firstJoin: UInt32 = 0
  /// The first operation that is the container's process's.
  private(set) var end: UInt32 = 0
  /// Of the namespaces that the container's process joins.
  private(set) var joinedKinds: UInt64 = 0

  /// How many mounts each start has made before it (HostMounts).
  private(set) var mountCount = 0
  /// The container's own, where it has one; else -1.
  private(set) var userNamespace: CInt = -1
  /// Whether it owns a network namespace, which a service is to connect before the start.
  private(set) var makesNetwork = false
  /// The host's ids of its root.
  private(set) var rootUser: UInt32 = 0
  private(set) var rootGroup: UInt32 = 0
  /// CLONE_NEWUSER.
  private var userKind: UInt64 { 0x1000_0000 }

  /// - Throws: with the operation that failed.
  init(_ request: Request) throws(Failure) {
    var operations = request.operations
    do throws(Failure) {
      while end < request.operationCount, let (code, fields) = operations.operation() {
        var fields = fields
        switch clinux_operation_code(code) {
        case CLINUX_OP_JOIN_NAMESPACE: try join(&fields)
        case CLINUX_OP_HOLD: try hold(&fields)
        case CLINUX_OP_MAP_USERS: try mapUsers(&fields)
        case CLINUX_OP_PREPARE_OVERLAY, CLINUX_OP_PREPARE_BIND, CLINUX_OP_PREPARE_ROOT: mountCount += 1
        default: return
        }
        end += 1
      }
    } catch {
      throw Failure(error, of: end)
    }
  }

  private mutating func join(_ fields: inout Fields) throws(Failure) {
    let kind = try fields.takeNumber()
    let path = try fields.takeString()
    try add(kind, check(CLINUX_STEP_OPEN, clinux_open(path, O_RDONLY | O_CLOEXEC, 0)))
  }

  /// Never closed: the end of this process is what it is for.
  private func hold(_ fields: inout Fields) throws(Failure) {
    let path = try fields.takeString()
    try check(CLINUX_STEP_OPEN, clinux_open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0))
  }

  private mutating func mapUsers(_ fields: inout Fields) throws(Failure) {
    let users = try fields.takeString()
    let groups = try fields.takeString()
    rootUser = UInt32(truncatingIfNeeded: try fields.takeNumber())
    rootGroup = UInt32(truncatingIfNeeded: try fields.takeNumber())
    makesNetwork = try fields.takeNumber() != 0
    var network: CInt = -1
    userNamespace = try check(
      CLINUX_STEP_USER_NAMESPACE,
      makesNetwork
        ? clinux_new_user_namespace(users, groups, &network) : clinux_new_user_namespace(users, groups, nil))
    try add(userKind, userNamespace)
    if makesNetwork { try add(0x4000_0000, network) }  // CLONE_NEWNET
  }

  private mutating func add(_ kind: UInt64, _ descriptor: CInt) throws(Failure) {
    guard count < Self.most else { throw Failure(CLINUX_STEP_REQUEST, E2BIG) }
    let list = joined ?? .allocate(capacity: Self.most)
    joined = list
    if count == 0 { firstJoin = end }
    list[count] = clinux_joined(kind: kind, descriptor: descriptor, zero: 0)
    count += 1
    joinedKinds |= kind
  }

  /// Joins the namespaces itself, for a shim that does not stay.
  func join() throws(Failure) {
    guard let joined, count > 0 else { return }
    var which: UInt32 = 0
    if clinux_join(joined, count, &which) != 0 {
      throw Failure(Failure(CLINUX_STEP_SETNS), of: firstJoin + which)
    }
  }

  /// As fork(2), with the new namespaces and in those that are joined; and in the cgroup of v2 that is open as `group`, or
  /// -1.
  func clone(_ namespaces: UInt64, _ pidfd: inout CInt, group: CInt) throws(Failure) -> pid_t {
    guard let joined, count > 0 else {
      return try check(CLINUX_STEP_CLONE, clinux_clone3(namespaces, &pidfd, group))
    }
    var step: UInt32 = 0
    var which: UInt32 = 0
    let pid = clinux_clone3_joined(namespaces, &pidfd, group, joined, count, &step, &which)
    if pid < 0 {
      let failure = Failure(clinux_step(step))
      throw step == CLINUX_STEP_SETNS.rawValue ? Failure(failure, of: firstJoin + which) : failure
    }
    return pid
  }
}
