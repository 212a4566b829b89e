import Foundation
import LinuxSystem
package import SystemPackage

/// Runs `body` with a file system of its own (tmpfs) that is full after `bytes` or `inodes`.
///
/// Needs `Privilege.mount`.
package func withSmallFileSystem<Result>(
  bytes: Int, inodes: Int = 10_000, _ body: (FilePath) async throws -> Result
) async throws -> Result {
  try await withTemporaryDirectory { directory in
    let made = mount(
      "coracle-test", directory.string, "tmpfs", 0, "size=\(bytes),nr_inodes=\(inodes),mode=0700")
    guard made == 0 else { throw SystemError("mount", Errno(rawValue: errno), on: directory.string) }
    defer { umount2(directory.string, CInt(MNT_DETACH)) }
    return try await body(directory)
  }
}

/// Gives a small file system more room.
package func growSmallFileSystem(_ directory: FilePath, bytes: Int) throws {
  let result = mount("coracle-test", directory.string, "tmpfs", UInt(MS_REMOUNT), "size=\(bytes),nr_inodes=0")
  guard result == 0 else { throw SystemError("mount", Errno(rawValue: errno), on: directory.string) }
}
