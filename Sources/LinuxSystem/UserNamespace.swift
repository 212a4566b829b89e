import CLinux
import Glibc
import SystemPackage

/// The user namespace of the calling process.
package enum UserNamespace {
  /// A line of `/proc/self/uid_map` or `gid_map`.
  package struct Extent: Hashable, Sendable {
    package var inside: UInt32
    package var outside: UInt32
    package var count: UInt32
  }

  /// How the ids of this process's namespace map to its parent's; `file` is `uid_map` or `gid_map`.
  package static func map(_ file: String) -> [Extent] { map(file, ofProcess: "self") }

  /// The same of another process's namespace.
  package static func map(_ file: String, of pid: CInt) -> [Extent] { map(file, ofProcess: "\(pid)") }

  private static func map(_ file: String, ofProcess process: String) -> [Extent] {
    guard let text = try? readSmallFile(FilePath("/proc/\(process)/\(file)"), limit: 64 << 10) else {
      return []
    }
    return text.split(separator: "\n").compactMap { line in
      let numbers = line.split(separator: " ").compactMap { UInt32($0) }
      guard numbers.count == 3 else { return nil }
      return Extent(inside: numbers[0], outside: numbers[1], count: numbers[2])
    }
  }

  /// Whether ids are the machine's own: not so in a user namespace with a map of its own.
  package static var isInitial: Bool {
    map("uid_map") == [Extent(inside: 0, outside: 0, count: .max)]
  }

  /// The highest id that both users and groups have here; files can be given no other.
  package static var highestID: UInt32 {
    func highest(_ file: String) -> UInt32 {
      map(file).map { $0.inside.addingReportingOverflow($0.count - 1) }.map {
        $0.overflow ? .max - 1 : $0.partialValue
      }
      .max() ?? 0
    }
    return min(highest("uid_map"), highest("gid_map"), .max - 1)
  }

  /// Joins the user namespace of another process (setns(2)). Only while this process has one thread.
  ///
  /// - Parameter isStill: asked after the namespace was opened, whether the number still names the process meant.
  /// - Returns: false when it does not any more.
  package static func join(of process: CInt, isStill: () throws -> Bool) throws -> Bool {
    let path = "/proc/\(process)/ns/user"
    let namespace: CInt
    do {
      namespace = try call("open", on: path) { open(path, O_RDONLY | O_CLOEXEC) }
    } catch {
      if error.errno == .noSuchFileOrDirectory || error.errno == .noSuchProcess { return false }
      throw error
    }
    defer { close(namespace) }
    guard try isStill() else { return false }
    try call("setns", on: path) { clinux_join_user(namespace) }
    return true
  }

  package enum Creation: Sendable {
    case done
    case userMapFailed
    case groupMapFailed
  }

  /// Moves this process into a new user namespace, whose maps the two programs write from outside (`newuidmap(1)`,
  /// `newgidmap(1)`; what they print goes to standard error). Only while this process has one thread.
  package static func create(mapUsers: [String], mapGroups: [String]) throws(SystemError) -> Creation {
    let result = try call("unshare") {
      withCStrings(mapUsers) { users in
        withCStrings(mapGroups) { groups in clinux_unshare_user(users, groups) }
      }
    }
    return switch result {
    case 0: .done
    case 1: .userMapFailed
    default: .groupMapFailed
    }
  }
}
