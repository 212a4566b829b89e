package import EngineErrors
import Glibc
import LinuxSystem
package import SystemPackage

/// The user namespace that all services and containers of one ordinary user share: only so can a second service enter
/// and signal what the first one started.
///
/// It lives as long as any of them does. Who finds no living member makes a new one with the same maps, so that the
/// files in the store keep their owners.
package enum RootlessNamespace {
  /// Moves this process, which must have one thread still, into the user's namespace, where it is root.
  ///
  /// - Throws: `unsupported` or `notFound`, with what to install or to configure, where the user can have none.
  package static func enter(runDirectory: FilePath) throws(EngineError) {
    do {
      try makeDirectories(runDirectory.appending("members"), mode: 0o700)
      // One at a time: two that came at once would otherwise make two.
      let lock = try FileLock.acquireBlocking(runDirectory.appending("namespace.lock"))
      defer { lock.release() }
      if try !joinMember(runDirectory) { try create() }
      try LifeLock.take(runDirectory.appending("members").appending("\(getpid())"))
    } catch {
      throw EngineError("enter the user namespace", wrapping: error, subject: runDirectory.string)
    }
  }

  private static func joinMember(_ runDirectory: FilePath) throws -> Bool {
    let services = try FlatDirectory(runDirectory.appending("members"))
    for name in try services.names() {
      let lock = services.path.appending(name)
      if try join(lock) { return true }
      try services.remove(name)
    }
    if try join(runDirectory.appending("network").appending("lock")) { return true }
    let containers = try FlatDirectory(runDirectory.appending("containers"))
    for name in try containers.names() where try join(containers.path.appending(name).appending("lock")) {
      return true
    }
    return false
  }

  private static func join(_ lock: FilePath) throws -> Bool {
    guard case .process(let pid)? = try LifeLock.holder(of: lock) else { return false }
    return try UserNamespace.join(of: pid) { try LifeLock.holder(of: lock) == .process(pid) }
  }

  private static func create() throws {
    let (userID, groupID) = effectiveIDs()
    let name = userName(userID)
    let users = try ids("/etc/subuid", name: name, userID)
    let groups = try ids("/etc/subgid", name: name, userID)
    let mapUsers = [try program("newuidmap")] + users.mapArguments(of: getpid(), own: userID)
    let mapGroups = [try program("newgidmap")] + groups.mapArguments(of: getpid(), own: groupID)
    let made: UserNamespace.Creation
    do {
      made = try UserNamespace.create(mapUsers: mapUsers, mapGroups: mapGroups)
    } catch {
      throw EngineError(
        .unsupported, "cannot make a user namespace", causes: ["\(error)"],
        hint:
          "the kernel or its sysctls (user.max_user_namespaces, kernel.unprivileged_userns_clone) forbid it")
    }
    guard made == .done else {
      throw refusal(by: made == .userMapFailed ? mapUsers : mapGroups, name: name ?? "\(userID)")
    }
  }

  /// It says why itself, on standard error.
  ///
  /// - Parameter command: that was refused, as `newuidmap 4711 0 1000 1 1 100000 65536`.
  static func refusal(by command: [String], name: String) -> EngineError {
    let program = command.first?.split(separator: "/").last.map(String.init) ?? ""
    let own = program == "newuidmap" ? "/etc/subuid" : "/etc/subgid"
    return EngineError(
      .permissionDenied, "\(program) refused the subordinate ids of user \(name)", subject: own,
      causes: [command.joined(separator: " ")],
      hint:
        "/etc/subuid and /etc/subgid must give the user ids that this machine has; as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \(name). \(program) has to be set-user-id root (chmod u+s \(command.first ?? program))"
    )
  }

  private static func ids(_ file: String, name: String?, _ userID: UInt32) throws -> SubordinateIDs {
    let text = (try? readSmallFile(FilePath(file), limit: 1 << 20)) ?? ""
    let ids = SubordinateIDs(text, name: name, userID: userID)
    guard !ids.ranges.isEmpty else {
      throw EngineError(
        .notFound, "user \(name ?? "\(userID)") has no subordinate ids", subject: file,
        hint: "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \(name ?? "USER")")
    }
    return ids
  }

  private static func program(_ name: String) throws -> String {
    // Set-user-id programs: from where the distribution puts them, whatever PATH says.
    for directory in ["/usr/bin", "/bin", "/usr/local/bin"] where access("\(directory)/\(name)", X_OK) == 0 {
      return "\(directory)/\(name)"
    }
    throw EngineError(
      .notFound, "cannot find the program \(name)", subject: name,
      hint: "an ordinary user's containers need it; on Debian it is in the package uidmap")
  }

  static func userName(_ userID: UInt32) -> String? {
    guard let entry = getpwuid(userID), let name = entry.pointee.pw_name else { return nil }
    return String(cString: name)
  }
}
