import Testing

@testable import Runner

@Suite("Numbers from the kernel's files")
struct UsageFileTests {
  @Test("network traffic is that of all interfaces but the loopback one")
  func network() {
    let text = """
      Inter-|   Receive                                                |  Transmit
       face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
          lo: 1000 10 0 0 0 0 0 0 1000 10 0 0 0 0 0 0
        eth0: 200 2 0 0 0 0 0 0 30 1 0 0 0 0 0 0
        eth1:7 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0
      """
    let traffic = NetworkTraffic(text)
    #expect(traffic.received == 207 && traffic.sent == 35)
    #expect(NetworkTraffic("") == NetworkTraffic("a\nb\nc"))
  }

  @Test("disks are added up, as v2 and as v1 have them; what overflows stays at the end")
  func disks() {
    let unified = "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=5 wbytes=18446744073709551615 rios=1\n"
    #expect(ControlGroup.sum(unified, "rbytes=") == 15 && ControlGroup.sum(unified, "wbytes=") == .max)
    let legacy = "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n8:16 Read 1\n"
    #expect(ControlGroup.sum(legacy, after: "Read") == 11 && ControlGroup.sum(legacy, after: "Write") == 20)
  }

  @Test("a group's file in the run directory reads as it was written")
  func groupFile() {
    let legacy = ControlGroup(
      isUnified: false,
      parts: [
        .init(controllers: [.cpu, .cpuacct], directory: "/sys/fs/cgroup/cpu,cpuacct/a b/coracle/1"),
        .init(controllers: [], directory: "/x"),
      ], earlierCPUTime: 77)
    let unified = ControlGroup(
      isUnified: true, parts: [.init(controllers: [.memory], directory: "/sys/fs/cgroup/coracle/1")])
    for group in [legacy, unified] { #expect(GroupFile.group(GroupFile.text(group)) == group) }
    #expect(GroupFile.group("") == nil && GroupFile.group("nonsense\n") == nil)
  }
}
