import Glibc
import LinuxSystem
internal import SystemPackage

/// The small files of a container's run directory, as a service reads and writes them.
enum RunFiles {
  static let lock: FilePath.Component = "lock"
  static let pid: FilePath.Component = "pid"
  static let exit: FilePath.Component = "exit"
  /// What a shim writes about restarts, a line each.
  static let lives: FilePath.Component = "lives"
  /// The restart rule, there while there is one.
  static let restart: FilePath.Component = "restart"
  /// There while a container is held, or about to be.
  static let paused: FilePath.Component = "paused"
  static let attachSocket: FilePath.Component = "attach.sock"

  /// The `name=number` lines of a file; nil if there is none.
  static func read(_ path: FilePath) throws -> [String: UInt64]? {
    let file: FileDescriptor
    do {
      file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .noFollow])
    } catch Errno.noSuchFileOrDirectory {
      return nil
    }
    defer { try? file.close() }
    let bytes = try [UInt8](unsafeUninitializedCapacity: 512) { buffer, count in
      count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
    }
    var values: [String: UInt64] = [:]
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1)
      if parts.count == 2, let value = UInt64(parts[1]) { values[String(parts[0])] = value }
    }
    return values
  }

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
