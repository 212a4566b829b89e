import Foundation
import Runner
import SystemPackage

/// A launch plan by hand, much like the compiled one of a default container.
struct TestPlan {
  var rootfs: FilePath
  var scratch: FilePath
  var arguments: [String]
  var environment = ["PATH=/bin"]
  var namespaces: LaunchPlan.Namespaces = [.mount, .pid, .network, .uts, .ipc, .cgroup]
  /// After the standard mounts, before the pivot.
  var mounts: [LaunchPlan.Operation] = []
  /// After the pivot.
  var settings: [LaunchPlan.Operation] = []

  static let hardened: LaunchPlan.MountAttributes = [.noSetUserID, .noDevices, .noExecute]

  /// Whether this is root of a user namespace only, as rootless services are: it cannot make devices, but bind them.
  static let isRootless: Bool = {
    let map = (try? String(contentsOfFile: "/proc/self/uid_map", encoding: .utf8)) ?? ""
    return !map.split(whereSeparator: \.isWhitespace).elementsEqual(["0", "0", "4294967295"])
  }()

  static let nodes: [LaunchPlan.Operation] = [
    ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
  ].map { (name: String, major: UInt32, minor: UInt32) in
    isRootless
      ? .bind(
        source: FilePath("/dev").appending(name), target: "/dev/\(name)", recursive: false, attributes: [])
      : .makeNode(target: "/dev/\(name)", mode: 0o20666, major: major, minor: minor)
  }

  static let devices: [LaunchPlan.Operation] =
    [
      .mount(
        type: "tmpfs", source: "tmpfs", target: "/dev", attributes: [.noSetUserID],
        options: [.init("mode", "755"), .init("size", "65536k")])
    ]
    + nodes + [
      .makeSymlink(target: "/dev/fd", content: "/proc/self/fd"),
      .makeSymlink(target: "/dev/stdin", content: "/proc/self/fd/0"),
      .makeSymlink(target: "/dev/stdout", content: "/proc/self/fd/1"),
      .makeSymlink(target: "/dev/stderr", content: "/proc/self/fd/2"),
      .mount(
        type: "devpts", source: "devpts", target: "/dev/pts", attributes: [.noSetUserID, .noExecute],
        options: [.init("newinstance"), .init("ptmxmode", "0666"), .init("mode", "0620")]),
      .mount(
        type: "tmpfs", source: "shm", target: "/dev/shm", attributes: hardened,
        options: [.init("mode", "1777"), .init("size", "65536k")]),
      .mount(type: "mqueue", source: "mqueue", target: "/dev/mqueue", attributes: hardened, options: []),
    ]

  func compiled() -> LaunchPlan {
    let operations: [LaunchPlan.Operation] =
      [
        .makeMountsPrivate,
        .mountOverlayRoot(
          lowers: [rootfs], upper: scratch.appending("upper"), work: scratch.appending("work"),
          userXattrs: Self.isRootless),
        .mount(type: "proc", source: "proc", target: "/proc", attributes: Self.hardened, options: []),
      ] + Self.devices + [
        .mount(
          type: "sysfs", source: "sysfs", target: "/sys",
          attributes: [.noSetUserID, .noDevices, .noExecute, .readOnly],
          options: [])
      ] + mounts + [.setHostname("test"), .pivotRoot, .awaitStart] + settings
      + [.execute(arguments: arguments, environment: environment)]
    return LaunchPlan(namespaces: namespaces, operations: operations)
  }
}
