import Glibc
import LinuxSystem
import Runner
package import SystemPackage

extension MachineFacts {
  /// Looks at this machine, and changes nothing.
  ///
  /// - Parameters: the directories that a service would use, there or not.
  package static func gather(store: FilePath, run: FilePath, path: String) -> MachineFacts {
    let id = effectiveIDs().user
    let user = User(id: id, name: RootlessNamespace.userName(id))
    let mounts = text("/proc/self/mountinfo")
    var facts = MachineFacts(
      user: user, kernel: kernelRelease(),
      fileSystems: Set(
        text("/proc/filesystems").split(separator: "\n").compactMap {
          $0.split(separator: "\t").last.map(String.init)
        }),
      sysctls: sysctls, programs: programs(path), canOpenTunnels: canOpen("/dev/net/tun"),
      hasSeccomp: exists("/proc/sys/kernel/seccomp/actions_avail"), controlGroups: ControlGroups().layout)
    facts.modules = modules
    facts.release = release(text("/etc/os-release"))
    facts.subordinateUsers = text("/etc/subuid")
    facts.subordinateGroups = text("/etc/subgid")
    facts.store = fileSystem(of: store, mounts)
    facts.run = fileSystem(of: run, mounts)
    // With systemd's login manager, everybody's processes end with their last session.
    if !user.isRoot, exists("/run/systemd/users/\(id)") {
      facts.lingers = exists("/var/lib/systemd/linger/\(user.name ?? "")")
    }
    return facts
  }

  /// See os-release(5).
  static func release(_ text: String) -> String? {
    let key = "VERSION_CODENAME="
    let line = text.split(separator: "\n").first { $0.hasPrefix(key) }
    return (line?.dropFirst(key.count)).map { $0.filter { !#""'"#.contains($0) } }
  }

  private static var sysctls: [String: String] {
    var values: [String: String] = [:]
    for name in [
      "user.max_user_namespaces", "kernel.unprivileged_userns_clone",
      "kernel.apparmor_restrict_unprivileged_userns",
    ] {
      let value = text(FilePath("/proc/sys/" + name.replacing(".", with: "/"))).filter { !$0.isWhitespace }
      if !value.isEmpty { values[name] = value }
    }
    return values
  }

  private static var modules: Set<String>? {
    let directory = FilePath("/lib/modules").appending(kernelRelease())
    // Some 700 kB with Debian's kernels.
    let lists = ["modules.dep", "modules.builtin"].map { text(directory.appending($0), limit: 16 << 20) }
    if lists.allSatisfy(\.isEmpty) { return nil }
    let loaded = text("/proc/modules").split(separator: "\n").compactMap {
      $0.split(separator: " ").first.map(String.init)
    }
    return lists.map(moduleNames).reduce(Set(loaded)) { $0.union($1) }
  }

  /// Of `modules.dep` or `modules.builtin`: each line begins with a module's path, as `kernel/fs/overlayfs/overlay.ko.xz`.
  static func moduleNames(_ list: String) -> Set<String> {
    var names: Set<String> = []
    for line in list.split(separator: "\n") {
      guard let file = line.prefix(while: { $0 != ":" }).split(separator: "/").last,
        let end = file.firstRange(of: ".ko")
      else { continue }
      names.insert(String(file[..<end.lowerBound]).replacing("-", with: "_"))
    }
    return names
  }

  private static func programs(_ path: String) -> Set<String> {
    // An ordinary user's PATH may lack what only root is thought to need.
    let directories = path.split(separator: ":").map(String.init) + ["/usr/bin", "/usr/sbin", "/sbin"]
    var found = Set(
      ["newuidmap", "newgidmap", "pasta"].filter { name in
        directories.contains { access("\($0)/\(name)", X_OK) == 0 }
      })
    if let library = dlopen("libnftables.so.1", RTLD_LAZY | RTLD_LOCAL) {
      found.insert("libnftables.so.1")
      dlclose(library)
    }
    return found
  }

  private static func fileSystem(of path: FilePath, _ mounts: String) -> FileSystem? {
    var existing = path
    while !exists(existing.string), existing.removeLastComponent() {}
    var space = statvfs()
    guard statvfs(existing.string, &space) == 0 else { return nil }
    let (free, _) = UInt64(space.f_bavail).multipliedReportingOverflow(by: UInt64(space.f_frsize))
    return FileSystem(
      path: path.string, type: mountedType(at: existing, mounts), freeBytes: Int64(clamping: free))
  }

  /// That of the mount which the path is on: the last of those with the longest mount point.
  static func mountedType(at path: FilePath, _ mounts: String) -> String {
    var best: (length: Int, type: String) = (-1, "?")
    for line in mounts.split(separator: "\n") {
      let halves = line.split(separator: " - ", maxSplits: 1)
      guard halves.count == 2, let type = halves[1].split(separator: " ").first else { continue }
      let fields = halves[0].split(separator: " ")
      guard fields.count > 4 else { continue }
      let point = FilePath(unescaped(fields[4]))
      if path.starts(with: point), point.string.utf8.count >= best.length {
        best = (point.string.utf8.count, String(type))
      }
    }
    return best.type
  }

  /// Without the kernel's way to write a blank and what else would part fields: `\040`.
  private static func unescaped(_ field: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(field.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        bytes.append(value)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func text(_ path: FilePath, limit: Int = 1 << 20) -> String {
    (try? readSmallFile(path, limit: limit)) ?? ""
  }

  private static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  private static func canOpen(_ path: String) -> Bool {
    guard let file = try? FileDescriptor.open(FilePath(path), .readWrite, options: .closeOnExec) else {
      return false
    }
    try? file.close()
    return true
  }
}
