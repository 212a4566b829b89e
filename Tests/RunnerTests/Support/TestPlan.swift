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

  static let devices: [LaunchPlan.Operation] =
    [
      .mount(
        type: "tmpfs", source: "tmpfs", target: "/dev", attributes: [.noSetUserID],
        options: [.init("mode", "755"), .init("size", "65536k")])
    ]
    + [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)].map {
      .makeNode(target: "/dev/\($0.0)", mode: 0o20666, major: 1, minor: UInt32($0.1))
    }
    + [
      .makeNode(target: "/dev/tty", mode: 0o20666, major: 5, minor: 0),
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
          userXattrs: false),
        .mount(type: "proc", source: "proc", target: "/proc", attributes: Self.hardened, options: []),
      ] + Self.devices + [
        .mount(
          type: "sysfs", source: "sysfs", target: "/sys",
          attributes: [.noSetUserID, .noDevices, .noExecute, .readOnly],
          options: [])
      ] + mounts + [.setHostname("test"), .pivotRoot] + settings
      + [.execute(arguments: arguments, environment: environment)]
    return LaunchPlan(namespaces: namespaces, operations: operations)
  }
}
