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

  /// Writes a file whole or not at all; others may do so at once.
  ///
  /// - Parameter replacing: without it, what is there already stays as it is.
  static func write(_ path: FilePath, _ lines: [(String, UInt64)], replacing: Bool = true) throws {
    let temporary = FilePath("\(path.string).\(UInt64.random(in: .min ... .max))")
    let file = try FileDescriptor.open(
      temporary, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec, .noFollow],
      permissions: .ownerReadWrite)
    defer { _ = temporary.withPlatformString { unlink($0) } }
    try file.closeAfter { _ = try file.writeAll(lines.map { "\($0)=\($1)\n" }.joined().utf8) }
    do {
      try call(replacing ? "rename" : "link", on: path.string) {
        temporary.withPlatformString { from in
          path.withPlatformString { replacing ? rename(from, $0) : link(from, $0) }
        }
      }
    } catch {
      // Somebody was first.
      guard !replacing, error.errno == .fileExists else { throw error }
    }
  }

  /// Removes a run directory: first its name, at once, so that nobody sees a part of it. A missing one is fine.
  static func removeAll(_ directory: FilePath) throws {
    let grave = directory.removingLastComponent().appending(".removed-\(UInt64.random(in: .min ... .max))")
    if try renameIfPresent(directory, to: grave) { try removeTree(grave) }
  }
}
