import Foundation
import Runner
import SystemPackage
import TestSupport
import Testing

@testable import Engine

@Suite("What doctor says of a machine")
struct FindingTests {
  /// One that lacks nothing, as an ordinary user sees it.
  private var complete: MachineFacts {
    var facts = MachineFacts(
      user: .init(id: 1000, name: "ada"), kernel: "6.18.0-arch1", fileSystems: ["ext4", "overlay"],
      sysctls: ["user.max_user_namespaces": "63000", "kernel.unprivileged_userns_clone": "1"],
      programs: ["newuidmap", "newgidmap", "pasta", "libnftables.so.1"], canOpenTunnels: true,
      hasSeccomp: true,
      controlGroups: ControlGroupLayout(
        isUnified: true,
        hierarchies: [.init(controllers: [.memory, .cpu, .cpuset, .pids, .io], base: "/sys/fs/cgroup/user")]))
    facts.modules = ["bridge", "veth", "nf_tables", "overlay"]
    facts.subordinateUsers = "ada:100000:65536\n"
    facts.subordinateGroups = "ada:100000:65536\n"
    facts.store = .init(path: "/home/ada/store", type: "ext4", freeBytes: 50_000_000_000)
    facts.run = .init(path: "/run/user/1000/coracle", type: "tmpfs", freeBytes: 1_000_000_000)
    facts.lingers = true
    return facts
  }

  private func finding(_ about: String, _ change: (inout MachineFacts) -> Void) throws -> Finding {
    var facts = complete
    change(&facts)
    return try #require(Finding.all(facts).first { $0.about == about })
  }

  @Test("a machine that lacks nothing is good in every respect")
  func good() {
    let findings = Finding.all(complete)
    #expect(findings.count == 14)
    #expect(findings.allSatisfy { $0.verdict == .good && $0.remedy == nil })
  }

  @Test("what root does not need is not looked for")
  func root() {
    var facts = complete
    facts.user = .init(id: 0, name: "root")
    facts.programs = ["libnftables.so.1"]
    facts.subordinateUsers = ""
    facts.lingers = nil
    #expect(Finding.all(facts).allSatisfy { $0.verdict == .good })
    facts.programs = []
    let firewall = Finding.all(facts).first { $0.about == "firewall" }
    #expect(firewall?.remedy == "apt-get install libnftables1")
  }

  @Test("kernels by their numbers")
  func kernels() throws {
    #expect(try finding("kernel") { $0.kernel = "5.10.0-28-amd64" }.verdict == .missing)
    #expect(try finding("kernel") { $0.kernel = "5.11.2" }.verdict == .limited)
    let old = try finding("kernel") { $0.kernel = "6.7.12-amd64" }
    #expect(old.verdict == .limited && old.text.contains("need 6.8") && !old.text.contains("6.15"))
    #expect(old.remedy?.hasPrefix("sudo apt-get install linux-image-") == true)
    #expect(try finding("kernel") { $0.kernel = "6.8.0-31-generic" }.verdict == .good)
    func ofRoot(_ kernel: String, _ release: String? = nil) throws -> Finding {
      try finding("kernel") {
        $0.kernel = kernel
        $0.release = release
        $0.user = .init(id: 0, name: "root")
      }
    }
    let older = try ofRoot("6.1.0-18-amd64")
    #expect(older.verdict == .limited && older.text.contains("need 6.8") && older.text.contains("need 6.15"))
    let newer = try ofRoot("6.12.9")
    #expect(newer.verdict == .limited && !newer.text.contains("6.8"))
    #expect(older.remedy == newer.remedy && newer.remedy?.contains("Linux 6.15 or newer") == true)
    #expect(try ofRoot("6.15.0").verdict == .good)
    #expect(KernelVersion("6.9") < KernelVersion("6.10-rc1"))
    #expect(KernelVersion("strange") == KernelVersion(0, 0))
  }

  @Test("a newer kernel comes from the backports of the machine's own release, as far as those have it")
  func backports() throws {
    func remedy(_ kernel: String, _ release: String, _ user: UInt32 = 1000) throws -> String {
      let found = try finding("kernel") {
        $0.kernel = kernel
        $0.release = release
        $0.user = .init(id: user, name: "ada")
      }
      return try #require(found.remedy)
    }
    let whole = try remedy("6.1.0-18-amd64", "bookworm")
    #expect(whole.contains("'Codename: bookworm'") && whole.contains(") bookworm-backports main"))
    #expect(whole.contains("apt-get update && sudo apt-get install -t bookworm-backports linux-image-"))
    #expect(!whole.contains("#"))
    let part = try remedy("6.1.0-18-amd64", "bookworm", 0)
    #expect(part.hasPrefix(whole.replacing("sudo ", with: "")) && part.contains("# brings 6.12; Linux 6.15"))
    // It is that of the backports already.
    #expect(try remedy("6.12.9", "bookworm", 0).contains("backports of Debian 13"))
    #expect(try remedy("6.12.9", "trixie", 0).contains("-t trixie-backports"))
    #expect(MachineFacts.release("ID=debian\nVERSION_CODENAME=\"bookworm\"\n") == "bookworm")
    #expect(MachineFacts.release("ID=arch\n") == nil)
  }

  @Test(
    "the source of backports is the machine's own mirror",
    .enabled("needs apt's lists of Debian") {
      let lists = (try? FileManager.default.contentsOfDirectory(atPath: "/var/lib/apt/lists")) ?? []
      return lists.contains { $0.hasSuffix("Release") }
    })
  func mirror() async throws {
    let release = try #require(
      MachineFacts.release(try String(contentsOfFile: "/etc/os-release", encoding: .utf8)))
    let remedy = try #require(
      try finding("kernel") {
        $0.kernel = "6.1.0"
        $0.release = "bookworm"
      }.remedy)
    // Up to where it is written: nothing here is to change.
    let source = String(try #require(remedy.firstMatch(of: #/echo "deb .* main"/#)?.output))
    let written = try await ChildProcess.run(["sh", "-c", source.replacing("bookworm", with: release)])
    #expect(
      written.text.wholeMatch(of: #/deb [a-z+]+:\S+ [a-z]+-backports main\n/#) != nil, "\(written.text)")
  }

  @Test("missing ids come with a range that nobody has")
  func subordinateIDs() throws {
    let none = try finding("subordinate ids") { facts in
      facts.subordinateUsers = "bob:100000:65536\n# a comment\neve:165536:65536\n"
    }
    #expect(none.verdict == .missing && none.text.contains("/etc/subuid"))
    #expect(
      none.remedy == "sudo usermod --add-subuids 231072-296607 --add-subgids 231072-296607 ada")
    let few = try finding("subordinate ids") { $0.subordinateGroups = "1000:5000:1000\n" }
    #expect(few.verdict == .limited && few.text.contains("ada has 1000"))
  }

  @Test(
    "sysctls that forbid user namespaces are named with the value that allows them",
    arguments: [
      ("user.max_user_namespaces", "0", "15000"), ("kernel.unprivileged_userns_clone", "0", "1"),
      ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ])
  func sysctls(name: String, forbidden: String, allowed: String) throws {
    let found = try finding("user namespaces") { $0.sysctls[name] = forbidden }
    #expect(found.verdict == .missing && found.remedy == "sudo sysctl -w \(name)=\(allowed)")
  }

  @Test("control groups: not delegated, in part, and v1")
  func controlGroups() throws {
    let none = try finding("control groups") {
      $0.controlGroups = ControlGroupLayout(isUnified: true, hierarchies: [])
    }
    #expect(none.verdict == .limited && none.remedy?.hasPrefix("systemd-run --user") == true)
    let part = try finding("control groups") {
      $0.controlGroups = ControlGroupLayout(
        isUnified: true, hierarchies: [.init(controllers: [.memory, .pids], base: "/sys/fs/cgroup/u")])
    }
    #expect(part.text == "v2: memory pids; cpu cpuset io do not work")
    #expect(part.remedy?.contains("Delegate=cpu cpuset io memory pids") == true)
    let old = try finding("control groups") {
      $0.controlGroups = ControlGroupLayout(isUnified: false, hierarchies: [])
    }
    #expect(old.verdict == .limited && old.text.hasPrefix("v1"))
  }

  @Test("programs, places and what else is missing")
  func others() throws {
    #expect(try finding("newuidmap") { $0.programs.remove("newgidmap") }.verdict == .missing)
    #expect(try finding("pasta") { $0.programs.remove("pasta") }.remedy == "sudo apt-get install passt")
    #expect(try finding("/dev/net/tun") { $0.canOpenTunnels = false }.verdict == .limited)
    #expect(try finding("firewall") { $0.programs.remove("libnftables.so.1") }.verdict == .limited)
    // A kernel of a machine that has just started loads the module at the first mount.
    #expect(try finding("overlayfs") { $0.fileSystems = ["ext4"] }.verdict == .good)
    let without = try finding("overlayfs") {
      $0.fileSystems = ["ext4"]
      $0.modules = ["bridge"]
    }
    #expect(without.verdict == .missing && without.remedy?.contains("linux-image") == true)
    let unknown = try finding("overlayfs") {
      $0.fileSystems = ["ext4"]
      $0.modules = nil
    }
    #expect(unknown.verdict == .missing && unknown.remedy == "sudo modprobe overlay")
    let modules = try finding("network modules") { $0.modules?.subtract(["veth", "nf_tables"]) }
    #expect(modules.verdict == .limited && modules.text.contains("no veth, no nf_tables:"))
    for type in ["nfs4", "fuseblk", "fuse", "fuse.sshfs", "fuse.fuse-overlayfs", "ntfs3", "virtiofs"] {
      let found = try finding("store") { $0.store = .init(path: "/s", type: type, freeBytes: 1 << 40) }
      #expect(found.verdict == .missing && found.text.contains(type))
    }
    #expect(try finding("seccomp") { $0.hasSeccomp = false }.verdict == .missing)
    #expect(
      try finding("store") { $0.store = .init(path: "/s", type: "xfs", freeBytes: 5_000_000) }.verdict
        == .limited)
    #expect(
      try finding("run directory") { $0.run = .init(path: "/r", type: "ext4", freeBytes: 0) }.verdict
        == .limited)
    #expect(
      try finding("after logging out") { $0.lingers = false }.remedy == "sudo loginctl enable-linger ada")
  }

  /// Everything that can be amiss, each by itself.
  private var faults: [(about: String, fault: (inout MachineFacts) -> Void)] {
    [
      ("kernel", { $0.kernel = "5.10.0" }), ("kernel", { $0.kernel = "6.1.0" }),
      (
        "kernel",
        {
          $0.kernel = "6.1.0"
          $0.release = "bookworm"
        }
      ),
      (
        "overlayfs",
        {
          $0.fileSystems = []
          $0.modules = []
        }
      ),
      (
        "overlayfs",
        {
          $0.fileSystems = []
          $0.modules = nil
        }
      ), ("network modules", { $0.modules = [] }), ("seccomp", { $0.hasSeccomp = false }),
      ("user namespaces", { $0.sysctls["user.max_user_namespaces"] = "0" }),
      ("newuidmap", { $0.programs = [] }), ("subordinate ids", { $0.subordinateUsers = "" }),
      ("subordinate ids", { $0.subordinateGroups = "ada:1000:10" }),
      ("control groups", { $0.controlGroups = ControlGroupLayout(isUnified: false, hierarchies: []) }),
      ("control groups", { $0.controlGroups = ControlGroupLayout(isUnified: true, hierarchies: []) }),
      (
        "control groups",
        {
          let some = ControlGroupLayout.Hierarchy(controllers: [.memory], base: "/sys/fs/cgroup/u")
          $0.controlGroups = ControlGroupLayout(isUnified: true, hierarchies: [some])
        }
      ),
      (
        "control groups",
        {
          $0.user = .init(id: 0, name: "root")
          $0.controlGroups = ControlGroupLayout(isUnified: true, hierarchies: [])
        }
      ),
      ("firewall", { $0.programs = [] }), ("pasta", { $0.programs = [] }),
      ("/dev/net/tun", { $0.canOpenTunnels = false }),
      ("store", { $0.store = .init(path: "/it's here", type: "9p", freeBytes: 1 << 40) }),
      ("store", { $0.store = .init(path: "/s", type: "xfs", freeBytes: 5) }),
      ("run directory", { $0.run = .init(path: "/tmp/a b", type: "ext4", freeBytes: 5) }),
      ("after logging out", { $0.lingers = false }),
    ]
  }

  @Test("what mends something is a command: a shell takes it, and it begins with a program")
  func commands() async throws {
    for (about, fault) in faults {
      let found = try finding(about, fault)
      let remedy = try #require(found.remedy, "\(found)")
      #expect(!remedy.contains("\n"))
      // Neither carries anything out.
      let read = try await ChildProcess.run(["sh", "-n", "-c", remedy])
      #expect(read.succeeded && read.errorText.isEmpty, "\(remedy): \(read.errorText)")
      let program = remedy.replacing("sudo ", with: "").split(separator: " ").first.map(String.init) ?? ""
      #expect(
        [
          "apt-get", "modprobe", "sysctl", "usermod", "echo", "mkdir", "truncate", "systemd-run", "loginctl",
          "coracle",
        ].contains(program), "\(remedy)")
    }
  }

  @Test("modules by the lists that depmod writes, and mounts by mountinfo")
  func lists() {
    let list = """
      kernel/fs/overlayfs/overlay.ko.xz:
      kernel/net/netfilter/nf_tables.ko: kernel/net/netfilter/nfnetlink.ko kernel/lib/libcrc32c.ko
      kernel/drivers/net/a-name.ko.zst:
      no module
      """
    #expect(MachineFacts.moduleNames(list) == ["overlay", "nf_tables", "a_name"])
    let mounts = #"""
      22 1 8:1 / / rw - ext4 /dev/sda1 rw
      30 22 0:50 / /mnt/a\040b rw,relatime shared:5 - fuse.sshfs host: rw
      31 22 0:51 / /mnt/a rw - tmpfs none rw
      32 30 0:52 / /mnt/a\040b/back\134slash rw - xfs /dev/sdb rw
      """#
    for (path, type) in [
      ("/mnt/a b/store", "fuse.sshfs"), ("/mnt/a/b", "tmpfs"), ("/mnt/ab", "ext4"),
      (#"/mnt/a b/back\slash"#, "xfs"),
    ] {
      #expect(MachineFacts.mountedType(at: FilePath(path), mounts) == type)
    }
  }

  @Test("the kernel's command line is changed by a file that GRUB reads as a shell's")
  func kernelCommandLine() async throws {
    let remedy = try #require(
      try finding("control groups") {
        $0.controlGroups = ControlGroupLayout(isUnified: false, hierarchies: [])
      }.remedy)
    // With a file of the test's in the place of GRUB's, and nothing that starts the machine anew.
    let written = try #require(remedy.components(separatedBy: " | ").first)
    let script = "GRUB_CMDLINE_LINUX=quiet; eval \"$(\(written))\"; echo \"$GRUB_CMDLINE_LINUX\""
    let read = try await ChildProcess.run(["sh", "-c", script])
    #expect(read.text == "quiet systemd.unified_cgroup_hierarchy=1\n", "\(read.errorText)")
  }
}
