import Runner
import Testing

@Suite("Where control groups are made")
struct ControlGroupLayoutTests {
  static let unified = """
    25 1 8:1 / / rw - ext4 /dev/sda1 rw
    30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
    """
  static let legacy = """
    31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
    32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
    35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
    36 31 0:33 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
    40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
    """

  @Test("v2: the root's own directory, with the controllers that are there")
  func unifiedRoot() {
    let layout = ControlGroupLayout(mounts: Self.unified, membership: "0::/system.slice/a.service\n") {
      _, _ in
      true
    } controllers: {
      $0 == "/sys/fs/cgroup" ? "cpuset cpu io memory hugetlb pids\n" : ""
    }
    #expect(layout.isUnified)
    #expect(
      layout.hierarchies == [
        .init(controllers: [.cpuset, .cpu, .io, .memory, .hugetlb, .pids], base: "/sys/fs/cgroup")
      ])
  }

  @Test("v2 for an ordinary user: the uppermost directory that is delegated, or none")
  func delegated() {
    let delegated = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service"
    func layout(_ own: String) -> ControlGroupLayout {
      ControlGroupLayout(mounts: Self.unified, membership: "0::\(own)\n") { directory, isUnified in
        isUnified && directory.string.hasPrefix(delegated)
      } controllers: { _ in
        "memory pids"
      }
    }
    let scope = "/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope"
    #expect(layout(scope).hierarchies.map(\.base.string) == [delegated])
    #expect(layout("/user.slice/user-1000.slice/session-1.scope").hierarchies == [])
    #expect(layout("/../outside").hierarchies == [])
  }

  @Test("v1, also with an empty v2 beside it: each hierarchy with its controllers; names alone are none")
  func legacyAndHybrid() {
    let hybrid =
      Self.legacy + "\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    let layout = ControlGroupLayout(mounts: hybrid, membership: "4:memory:/a\n3:cpu,cpuacct:/\n0::/\n") {
      directory, _ in
      directory != "/sys/fs/cgroup/memory"
    } controllers: { _ in
      ""
    }
    #expect(!layout.isUnified)
    #expect(
      layout.hierarchies == [
        .init(controllers: [.cpu, .cpuacct], base: "/sys/fs/cgroup/cpu,cpuacct"),
        .init(controllers: [.memory], base: "/sys/fs/cgroup/memory/a"),
        .init(controllers: [.io], base: "/sys/fs/cgroup/blkio"),
      ])
  }

  @Test("a part of a hierarchy, at a place with a space in its name")
  func escaped() {
    let mounts = "30 25 0:26 /docker/abc /a\\040b rw - cgroup2 none rw\n"
    let layout = ControlGroupLayout(mounts: mounts, membership: "0::/docker/abc/inner\n") {
      directory, _ in
      directory == "/a b/inner"
    } controllers: { _ in
      "pids"
    }
    #expect(layout.hierarchies == [.init(controllers: [.pids], base: "/a b/inner")])
  }
}
