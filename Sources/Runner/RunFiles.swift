import Glibc
import LinuxSystem
internal import SystemPackage

/// The small files of a container's run directory: their names, and how a service writes them.
enum RunFiles {
  static let lock: StaticString = "lock"
  static let pid: StaticString = "pid"
  static let exit: StaticString = "exit"
  /// What a shim writes about restarts, a line each.
  static let lives: StaticString = "lives"
  /// The restart rule, there while there is one.
  static let restart: StaticString = "restart"
  /// There while a container is held, or about to be.
  static let paused: StaticString = "paused"
  static let attachSocket: StaticString = "attach.sock"
  /// Held by a forwarder for its life, and where it takes ports.
  static let portsLock: StaticString = "ports.lock"
  static let portsSocket: StaticString = "ports.sock"

  /// Writes a file whole or not at all. Services may do so at once: the temporary name is this process's.
  static func write(_ path: FilePath, _ lines: [(String, UInt64)]) throws {
    let temporary = FilePath(path.string + ".\(getpid())")
    let file = try FileDescriptor.open(
      temporary, .writeOnly, options: [.create, .truncate, .closeOnExec, .noFollow],
      permissions: .ownerReadWrite)
    do {
      try file.closeAfter {
        _ = try file.writeAll(lines.map { "\($0)=\($1)\n" }.joined().utf8)
      }
      try call("rename", on: path.string) {
        temporary.withPlatformString { from in path.withPlatformString { rename(from, $0) } }
      }
    } catch {
      _ = temporary.withPlatformString { unlink($0) }
      throw error
    }
  }

  /// Removes a run directory: first its name, at once, so that nobody sees a part of it. A missing one is fine.
  static func removeAll(_ directory: FilePath) throws {
    let grave = directory.removingLastComponent().appending(".removed-\(UInt64.random(in: .min ... .max))")
    if try renameIfPresent(directory, to: grave) { try removeTree(grave) }
  }
}
