import Foundation
import SystemPackage

/// A root file system with Debian's static busybox and nothing else.
enum Rootfs {
  static let applets = [
    "sh", "true", "false", "echo", "cat", "ls", "sleep", "kill", "id", "hostname", "head", "pwd", "ps",
    "trap", "dd",
    "readlink", "touch", "mount", "grep", "wc", "umask", "stat", "ulimit", "setsid", "chmod", "env", "mkdir",
    "printf",
    "seq", "ip", "test", "tr", "cut", "awk", "mkfifo", "rm",
  ]

  static func make(at path: FilePath) throws {
    let files = FileManager.default
    for name in ["bin", "proc", "sys", "dev", "etc", "tmp", "root"] {
      try files.createDirectory(atPath: path.appending(name).string, withIntermediateDirectories: true)
    }
    try files.copyItem(atPath: "/bin/busybox", toPath: path.appending("bin/busybox").string)
    for applet in applets {
      try files.createSymbolicLink(
        atPath: path.appending("bin").appending(applet).string, withDestinationPath: "busybox")
    }
    try Data("not a program\n".utf8).write(to: URL(fileURLWithPath: path.appending("etc/motd").string))
  }
}
