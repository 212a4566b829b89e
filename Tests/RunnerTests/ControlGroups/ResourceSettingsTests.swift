import OCIModel
import Runner
import Testing

@Suite("linux.resources as files of control groups")
struct ResourceSettingsTests {
  private func written(_ resources: RuntimeSpec.Resources, unified: Bool) -> [String] {
    resources.settings(unified: unified).map { "\($0.file)=\($0.value)" }
  }

  @Test(
    "shares of v1 to weights of v2: the ends, the usual value, and always upwards",
    arguments: [(0, 1), (2, 1), (1024, 100), (262_144, 10_000), (1 << 40, 10_000)] as [(UInt64, UInt64)])
  func shares(shares: UInt64, weight: UInt64) {
    #expect(ControlGroupWeights.cpuWeight(shares: shares) == weight)
    let all = stride(from: 2, through: 262_144, by: 97).map {
      ControlGroupWeights.cpuWeight(shares: UInt64($0))
    }
    #expect(all == all.sorted() && (1...10_000).contains(all[0]) && (1...10_000).contains(all[all.count - 1]))
  }

  @Test(
    "weights to shares, in proportion",
    arguments: [(1, 10), (100, 1024), (200, 2048), (10_000, 102_400)] as [(UInt64, UInt64)])
  func weights(weight: UInt64, shares: UInt64) {
    #expect(ControlGroupWeights.shares(cpuWeight: weight) == shares)
  }

  @Test("weights of disks", arguments: [(10, 1), (100, 910), (1000, 10_000), (5, 1)] as [(UInt16, UInt64)])
  func disks(block: UInt16, weight: UInt64) {
    #expect(ControlGroupWeights.ioWeight(blockWeight: block) == weight)
  }

  @Test("memory: v1 counts memory and swap together, v2 swap alone; -1 takes a limit away")
  func memory() {
    var resources = RuntimeSpec.Resources()
    resources.memory = .init()
    resources.memory?.limit = 100
    resources.memory?.swap = 150
    resources.memory?.reservation = 50
    #expect(written(resources, unified: true) == ["memory.max=100", "memory.swap.max=50", "memory.low=50"])
    #expect(
      written(resources, unified: false) == [
        "memory.limit_in_bytes=100", "memory.memsw.limit_in_bytes=150", "memory.soft_limit_in_bytes=50",
      ])
    resources.memory?.swap = 100
    #expect(written(resources, unified: true)[1] == "memory.swap.max=0")
    resources.memory?.limit = -1
    resources.memory?.swap = -1
    resources.memory?.reservation = -1
    #expect(written(resources, unified: true) == ["memory.max=max", "memory.swap.max=max", "memory.low=0"])
  }

  @Test("processors: a quota of a period, a share, and which")
  func processors() {
    var resources = RuntimeSpec.Resources()
    resources.cpu = .init()
    resources.cpu?.period = 100_000
    resources.cpu?.quota = 150_000
    resources.cpu?.shares = 1024
    resources.cpu?.cpus = "0-1"
    resources.cpu?.mems = "0"
    #expect(
      written(resources, unified: true) == [
        "cpu.weight=100", "cpu.max=150000 100000", "cpuset.cpus=0-1", "cpuset.mems=0",
      ])
    #expect(
      written(resources, unified: false) == [
        "cpu.shares=1024", "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=150000", "cpuset.cpus=0-1",
        "cpuset.mems=0",
      ])
    resources.cpu = .init()
    resources.cpu?.quota = -1
    #expect(written(resources, unified: true) == ["cpu.max=max 100000"])
    #expect(written(resources, unified: false) == ["cpu.cfs_quota_us=-1"])
  }

  @Test("processes, disks and devices")
  func others() {
    var resources = RuntimeSpec.Resources()
    resources.pids = .init(limit: 7)
    resources.blockIO = .init()
    resources.blockIO?.weight = 1000
    resources.blockIO?.throttleReadBpsDevice = [.init(major: 8, minor: 0, rate: 1024)]
    resources.blockIO?.throttleWriteIOPSDevice = [.init(major: 8, minor: 0, rate: 0)]
    resources.devices = [
      .init(allow: false), .init(allow: true, type: "c", major: 1, minor: 3, access: "rw"),
    ]
    #expect(
      written(resources, unified: true) == [
        "io.weight=10000", "io.max=8:0 rbps=1024", "io.max=8:0 wiops=max", "pids.max=7",
      ])
    #expect(
      written(resources, unified: false) == [
        "devices.deny=a *:* rwm", "devices.allow=c 1:3 rw", "pids.max=7", "blkio.weight=1000",
        "blkio.throttle.read_bps_device=8:0 1024", "blkio.throttle.write_iops_device=8:0 0",
      ])
    resources = .init()
    resources.pids = .init(limit: 0)
    #expect(written(resources, unified: true) == ["pids.max=max"])
  }

  @Test("v2's own words come before what was converted")
  func unified() {
    var resources = RuntimeSpec.Resources()
    resources.cpu = .init()
    resources.cpu?.shares = 2048
    resources.unified = ["cpu.weight": "200", "memory.high": "5", "no.such": "1"]
    // What the kernel may know and this program does not is written all the same.
    #expect(written(resources, unified: true) == ["cpu.weight=200", "memory.high=5", "no.such=1"])
    #expect(written(resources, unified: false) == ["cpu.shares=2048"])
  }
}
