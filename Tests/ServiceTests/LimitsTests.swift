import Foundation
import Glibc
import LinuxSystem
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// What the machine that runs the tests can do; the suite says the same of v1, of v2, and of an ordinary user without
/// delegation. `make cgroup2` runs it in a guest that has v2 alone.
@Suite("Limits, pauses and numbers, from end to end")
struct LimitsTests {
  /// A container that sleeps.
  private func sleeper(
    _ service: TestService, _ name: String, limits: ResourceLimits? = nil,
    command: [String] = ["sleep", "1000"]
  ) async throws -> ContainerSummary {
    try await service.send(
      ContainerRun.self,
      .init(image: "busybox:1", name: name, command: command, limits: limits, detach: true)
    ).container
  }

  @Test("limits that hold, and none left behind", .enabled(if: Machine.makesGroups))
  func limits() async throws {
    try await withBusyboxService(.root) { _, service in
      let answer = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "limited",
          command: ["sleep", "1000"],
          limits: .init(memoryBytes: 64 << 20, cpuMillis: 250, cpuWeight: 300, cpuSet: "0", processes: 5),
          detach: true))
      #expect(answer.warnings == nil)
      let pid = try #require(answer.container.pid)
      let group = try Machine.group(pid)
      #expect(group.read("memory.max", "memory/memory.limit_in_bytes") == "\(64 << 20)")
      #expect(group.read("cpu.max", "cpu/cpu.cfs_quota_us") == (Machine.isUnified ? "25000 100000" : "25000"))
      #expect(group.read("cpu.weight", "cpu/cpu.shares") == (Machine.isUnified ? "300" : "3072"))
      #expect(group.read("cpuset.cpus", "cpuset/cpuset.cpus") == "0")
      #expect(group.read("pids.max", "pids/pids.max") == "5")
      // An exec session is in the group as well, and there a sixth process is refused.
      let inside = try await service.exec(
        "limited", ["sh", "-c", "for n in 1 2 3 4 5 6; do sleep 1000 > /dev/null 2>&1 & done; sleep 1000"])
      #expect(inside.exit.code != 0)
      #expect((2...5).contains(group.processes("pids").count))
      let inspected = try await service.send(ContainerInspect.self, .init(container: "limited"))
      #expect(inspected.limits.processes == 5 && inspected.cgroup?.hasSuffix(answer.container.id) == true)
      _ = try await service.send(ContainerRemove.self, .init(container: "limited", force: true))
      #expect(Machine.groups(of: answer.container.id) == [])
    }
  }

  @Test(
    "it sees its own control group and no other, and may change nothing", .enabled(if: Machine.makesGroups))
  func view() async throws {
    try await withBusyboxService(.root) { _, service in
      let script = """
        cat /sys/fs/cgroup/memory.max 2> /dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes
        ls -d /sys/fs/cgroup/coracle /sys/fs/cgroup/memory/coracle 2> /dev/null || echo no other
        for f in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/memory/cgroup.procs; do
          if [ -e $f ]; then echo $$ > $f || echo refused; fi
        done 2> /dev/null
        """
      let limits = ResourceLimits(memoryBytes: 64 << 20)
      let output = try await service.run(["sh", "-c", script]) { $0.limits = limits }
      #expect(output.stdout == "\(64 << 20)\nno other\nrefused\n", "\(output.stderr)")
      // The host's, which a container that shares its cgroups sees, is not for it to change either.
      let shared = try await service.run([
        "sh", "-c",
        "ls -d /sys/fs/cgroup/coracle /sys/fs/cgroup/memory/coracle 2> /dev/null | wc -l; mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x || echo refused",
      ]) {
        $0.limits = limits
        $0.cgroupNamespace = .init(mode: .host)
      }
      #expect(shared.stdout == "1\nrefused\n")
      let privileged = try await service.run(["sh", "-c", script]) {
        $0.limits = limits
        $0.privileged = true
      }
      #expect(privileged.stdout == "\(64 << 20)\nno other\n")
    }
  }

  @Test(
    "out of memory: one event for each kill, before the end, and a count", .enabled(if: Machine.makesGroups))
  func outOfMemory() async throws {
    try await withBusyboxService(.root) { _, service in
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["container."]))
      let output = try await service.run(["sh", "-c", "tail /dev/zero; echo $?"]) {
        $0.limits = .init(memoryBytes: 16 << 20, swapBytes: 0)
      }
      #expect(output.stdout == "137\n")
      let event = await service.notifications.event("container.outOfMemory")
      #expect(event?.attributes["kills"] == .integer(1))
      _ = await service.notifications.event("container.exited")
      let kinds = service.notifications.events.map(\.kind)
      #expect(
        kinds == ["container.created", "container.started", "container.outOfMemory", "container.exited"])
    }
  }

  @Test(
    "out of memory while no service ran is told by the next one, once", .enabled(if: Machine.makesGroups))
  func outOfMemoryAlone() async throws {
    try await withTestStore(.root) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      let container = try await sleeper(
        service, "alone", limits: .init(memoryBytes: 16 << 20, swapBytes: 0),
        command: [
          "sh", "-c",
          "trap 'tail /dev/zero; echo killed' USR1; echo ready; sleep 1000 & while true; do wait; done",
        ])
      _ = try await service.send(
        ContainerWait.self, .init(container: "alone", until: .init(condition: .logMatch, pattern: "ready")))
      let log = FilePath(try await service.send(ContainerInspect.self, .init(container: "alone")).logPath)
      let cursor = try await service.send(SystemInfo.self, .init()).cursor
      service.process.kill(SIGKILL)
      await service.waitForExit()
      let pid = try #require(container.pid)
      // It writes when it has been told of the kill, and nobody but its shim looks at it.
      #expect(kill(Int32(pid), SIGUSR1) == 0)
      try await eventually(describing: "it has been told of the kill") {
        String(decoding: try log.readAll(), as: UTF8.self)
      } until: {
        $0.contains("killed")
      }
      let second = try await store.service("second")
      _ = try await second.send(EventSubscribe.self, .init(after: cursor, kinds: ["container."]))
      let event = await second.notifications.event("container.outOfMemory")
      #expect(event?.subject == container.id && event?.attributes["kills"] == .integer(1))
      _ = try await second.send(ContainerRemove.self, .init(container: "alone", force: true))
      _ = await second.notifications.event("container.removed")
      #expect(second.notifications.events.map(\.kind).filter { $0 == "container.outOfMemory" }.count == 1)
      #expect(Machine.groups(of: container.id) == [])
      #expect(await second.stop() == 0)
    }
  }

  @Test(
    "pause and unpause, also of a container without limits; every service knows; a stop and a kill work",
    .enabled(if: Machine.makesGroups))
  func pause() async throws {
    try await withBusyboxService(.root) { store, service in
      let container = try await sleeper(
        service, "held", command: ["sh", "-c", "while true; do echo; done"])
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["container."]))
      _ = try await service.send(ContainerPause.self, .init(container: "held"))
      let other = try await store.service("other")
      #expect(try await other.send(ContainerList.self, .init()).containers.first?.state == .paused)
      let group = try Machine.group(try #require(container.pid))
      #expect(group.isFrozen)
      // Not its log: the shim, which goes on, may yet have to write what came before.
      let ran = "/proc/\(try #require(container.pid))/schedstat"
      let before = try String(contentsOfFile: ran, encoding: .utf8)
      let again = await #expect(throws: RPCError.self) {
        try await service.send(ContainerPause.self, .init(container: "held"))
      }
      #expect(again?.data?.kind == .conflict)
      let refused = await #expect(throws: RPCError.self) { try await service.exec("held", ["true"]) }
      #expect(refused?.data?.kind == .conflict)
      // It would have run meanwhile.
      for _ in 0..<100 { _ = try await other.send(ContainerInspect.self, .init(container: "held")) }
      #expect(try String(contentsOfFile: ran, encoding: .utf8) == before)
      _ = try await other.send(ContainerUnpause.self, .init(container: "held"))
      #expect(try await service.send(ContainerList.self, .init()).containers.first?.state == .running)
      _ = try await other.send(ContainerPause.self, .init(container: "held"))
      let exit = try await service.send(ContainerStop.self, .init(container: "held", timeoutMs: 0)).exit
      #expect(exit.signal == "SIGKILL")
      _ = await service.notifications.event("container.exited")
      #expect(
        service.notifications.events.map(\.kind).prefix(3) == [
          "container.paused", "container.unpaused", "container.paused",
        ])
      // Who records the end removes the group, and a removal waits for that.
      _ = try await service.send(ContainerRemove.self, .init(container: "held"))
      #expect(Machine.groups(of: container.id) == [])

      let killed = try await sleeper(service, "killed")
      _ = try await service.send(ContainerPause.self, .init(container: "killed"))
      _ = try await service.send(ContainerKill.self, .init(container: "killed"))
      #expect(try await service.send(ContainerWait.self, .init(container: "killed")).exit?.code == 137)
      _ = try await service.send(ContainerRemove.self, .init(container: "killed"))
      #expect(Machine.groups(of: killed.id) == [])
      #expect(await other.stop() == 0)
    }
  }

  @Test(
    "limits are changed while a container runs, also of one that had none", .enabled(if: Machine.makesGroups))
  func update() async throws {
    try await withBusyboxService(.root) { _, service in
      let container = try await sleeper(
        service, "changed", command: ["sh", "-c", "sleep 1000 & sleep 1000 & wait"])
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["container."]))
      let first = try await service.send(
        ContainerUpdate.self,
        .init(container: "changed", limits: .init(memoryBytes: 64 << 20, processes: 20)))
      #expect(first.warnings == nil && first.limits.memoryBytes == 64 << 20)
      let group = try Machine.group(try #require(container.pid))
      #expect(group.read("memory.max", "memory/memory.limit_in_bytes") == "\(64 << 20)")
      try await eventually(describing: "its three processes are in the group") {
        group.processes("pids").count
      } until: {
        $0 == 3
      }
      let second = try await service.send(
        ContainerUpdate.self,
        .init(container: "changed", limits: .init(memoryBytes: 128 << 20, cpuMillis: 100, processes: 0)))
      #expect(second.limits == .init(memoryBytes: 128 << 20, cpuMillis: 100))
      #expect(group.read("memory.max", "memory/memory.limit_in_bytes") == "\(128 << 20)")
      #expect(group.read("pids.max", "pids/pids.max") == "max")
      let wrong = await #expect(throws: RPCError.self) {
        try await service.send(
          ContainerUpdate.self, .init(container: "changed", limits: .init(cpuSet: "4096")))
      }
      #expect(wrong?.data?.kind == .invalidArgument)
      #expect(
        try await service.send(ContainerInspect.self, .init(container: "changed")).limits
          == .init(memoryBytes: 128 << 20, cpuMillis: 100))
      _ = await service.notifications.event("container.updated")
      // A start by another run has them too.
      _ = try await service.send(ContainerStop.self, .init(container: "changed", timeoutMs: 0))
      let started = try await service.send(ContainerStart.self, .init(container: "changed")).container
      let anew = try Machine.group(try #require(started.pid))
      #expect(anew.read("memory.max", "memory/memory.limit_in_bytes") == "\(128 << 20)")
      _ = try await service.send(ContainerRemove.self, .init(container: "changed", force: true))
      #expect(Machine.groups(of: container.id) == [])
    }
  }

  @Test(
    "less memory than is used is refused, and all stays as it was", .enabled(if: Machine.makesGroups))
  func tooLittleMemory() async throws {
    try await withBusyboxService(.root) { _, service in
      let command = "x=$(head -c 16777216 /dev/zero | busybox tr '\\0' x); echo ready; sleep 1000; true"
      let container = try await sleeper(
        service, "holds", limits: .init(memoryBytes: 128 << 20, swapBytes: 0), command: ["sh", "-c", command])
      _ = try await service.send(
        ContainerWait.self, .init(container: "holds", until: .init(condition: .logMatch, pattern: "ready")))
      let error = await #expect(throws: RPCError.self) {
        try await service.send(
          ContainerUpdate.self, .init(container: "holds", limits: .init(memoryBytes: 8 << 20, swapBytes: 0)))
      }
      #expect(error?.data?.kind == .conflict && error?.data?.hint != nil)
      let inspected = try await service.send(ContainerInspect.self, .init(container: "holds"))
      #expect(inspected.container.state == .running && inspected.limits.memoryBytes == 128 << 20)
      let group = try Machine.group(try #require(container.pid))
      #expect(group.read("memory.max", "memory/memory.limit_in_bytes") == "\(128 << 20)")
      _ = try await service.send(ContainerRemove.self, .init(container: "holds", force: true))
    }
  }

  @Test(
    "swap, and the share and rates of a disk, set, changed and taken away",
    .enabled(if: Machine.makesGroups && Machine.disk != nil))
  func disks() async throws {
    let disk = try #require(Machine.disk)
    try await withBusyboxService(.root) { _, service in
      let answer = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "limited", command: ["sleep", "1000"],
          limits: .init(
            memoryBytes: 64 << 20, swapBytes: 32 << 20, ioWeight: 300,
            ioRates: [
              .init(device: "/dev/\(disk.name)", readBytesPerSecond: 1 << 20, writesPerSecond: 100)
            ]), detach: true))
      let group = try Machine.group(try #require(answer.container.pid))
      /// A limit of which the kernel has no file is told of.
      func isTold(_ member: String) -> Bool {
        answer.warnings?.contains { $0.subject == "limits.\(member)" } ?? false
      }
      let swap = group.read("memory.swap.max", "memory/memory.memsw.limit_in_bytes")
      #expect(swap == (isTold("swapBytes") ? nil : "\((Machine.isUnified ? 32 : 96) << 20)"))
      let weight =
        group.read("io.weight", "blkio/blkio.weight") ?? group.read("io.bfq.weight", "blkio/blkio.bfq.weight")
      #expect(weight?.split(separator: " ").last.map(String.init) == (isTold("ioWeight") ? nil : "300"))
      func rates() -> [String?] {
        if Machine.isUnified { return [group.read("io.max", "")] }
        return ["read_bps", "write_iops"].map { group.read("", "blkio/blkio.throttle.\($0)_device") }
      }
      #expect(!isTold("ioRates"))
      #expect(
        rates()
          == (Machine.isUnified
            ? ["\(disk.numbers) rbps=\(1 << 20) wbps=max riops=max wiops=100"]
            : ["\(disk.numbers) \(1 << 20)", "\(disk.numbers) 100"]))
      _ = try await service.send(
        ContainerUpdate.self,
        .init(
          container: "limited",
          limits: .init(
            ioRates: [
              .init(device: "/dev/\(disk.name)", readBytesPerSecond: 2 << 20, writesPerSecond: 0)
            ])))
      #expect(
        rates()
          == (Machine.isUnified
            ? ["\(disk.numbers) rbps=\(2 << 20) wbps=max riops=max wiops=max"]
            : ["\(disk.numbers) \(2 << 20)", ""]))
      let none = await #expect(throws: RPCError.self) {
        try await service.run(["true"]) {
          $0.limits = .init(ioRates: [.init(device: "/dev/null", readBytesPerSecond: 1)])
        }
      }
      #expect(none?.data?.kind == .invalidArgument)
      _ = try await service.send(ContainerRemove.self, .init(container: "limited", force: true))
      #expect(Machine.groups(of: answer.container.id) == [])
    }
  }

  @Test(
    "a command in a paused container can be cancelled, and one that is paused while it is being stopped ends in time",
    .enabled(if: Machine.makesGroups))
  func pausedMeanwhile() async throws {
    try await withBusyboxService(.root) { store, service in
      let other = try await store.service("other")
      _ = try await sleeper(
        service, "held",
        command: ["sh", "-c", "trap 'echo told' TERM; echo ready; while :; do sleep 1000 & wait $!; done"])
      func said(_ text: String) async throws {
        _ = try await other.send(
          ContainerWait.self, .init(container: "held", until: .init(condition: .logMatch, pattern: text)))
      }
      try await said("ready")
      let out = service.process.connection.receiver(credit: 1000)
      let command = Task {
        try await service.send(
          ContainerExec.self,
          .init(
            container: "held", command: ["sh", "-c", "echo begun; sleep 1000"],
            streams: .init(stdout: out.id, initialCredit: 1000)))
      }
      for await chunk in out.chunks where !chunk.isEmpty { break }
      _ = try await other.send(ContainerPause.self, .init(container: "held"))
      command.cancel()
      let error = await #expect(throws: RPCError.self) { try await command.value }
      #expect(error?.data?.kind == .cancelled)
      _ = try await other.send(ContainerUnpause.self, .init(container: "held"))

      async let exit = service.send(ContainerStop.self, .init(container: "held", timeoutMs: 8000)).exit
      try await said("told")
      // On a slow machine it may have ended by now.
      _ = try? await other.send(ContainerPause.self, .init(container: "held"))
      #expect(try await exit.signal == "SIGKILL")
      _ = try await service.send(ContainerRemove.self, .init(container: "held", force: true))
      #expect(await other.stop() == 0)
    }
  }

  @Test(
    "a group that a running container gets counts the memory that it had before",
    .enabled(if: Machine.makesGroups), arguments: [false, true])
  func earlierMemory(isPaused: Bool) async throws {
    try await withBusyboxService(.root) { _, service in
      let bytes = 8 << 20
      let command = "x=$(head -c \(bytes) /dev/zero | busybox tr '\\0' x); echo ready; sleep 1000; true"
      let container = try await sleeper(service, "holds", command: ["sh", "-c", command])
      _ = try await service.send(
        ContainerWait.self, .init(container: "holds", until: .init(condition: .logMatch, pattern: "ready")))
      func memory() async throws -> Int {
        try await service.send(ContainerStats.self, .init(containers: ["holds"])).stats.first?.memoryBytes
          ?? 0
      }
      #expect(try await memory() >= bytes)
      if isPaused {
        _ = try await service.send(ContainerPause.self, .init(container: "holds"))
        #expect(try await memory() >= bytes)
        _ = try await service.send(ContainerUnpause.self, .init(container: "holds"))
      } else {
        _ = try await service.send(
          ContainerUpdate.self, .init(container: "holds", limits: .init(processes: 20)))
      }
      #expect(try Machine.group(try #require(container.pid)).processes("memory").isEmpty == false)
      #expect(try await memory() >= bytes)
      _ = try await service.send(ContainerRemove.self, .init(container: "holds", force: true))
    }
  }

  @Test(
    "nothing is left of a container whose shim is killed, nor of one that could not start",
    .enabled(if: Machine.makesGroups))
  func leftovers() async throws {
    try await withBusyboxService(.root) { _, service in
      let container = try await sleeper(service, "lost", limits: .init(processes: 10))
      let pid = try #require(container.pid)
      let shim = try #require(ProcessStatus(pid: Int32(pid))?.parent)
      #expect(kill(shim, SIGKILL) == 0)
      _ = try await service.send(ContainerWait.self, .init(container: "lost"))
      _ = try await service.send(ContainerRemove.self, .init(container: "lost"))
      #expect(Machine.groups(of: container.id) == [])
      _ = await #expect(throws: RPCError.self) {
        try await service.run(["nope"]) {
          $0.name = "none"
          $0.limits = .init(processes: 10)
        }
      }
      let failed = try await service.send(ContainerInspect.self, .init(container: "none")).container
      #expect(failed.exit?.code == 127 && Machine.groups(of: failed.id) == [])
    }
  }

  @Test(
    "without delegation the container runs, and each limit says why it does not apply",
    .enabled(if: Machine.hasNoDelegation))
  func notDelegated() async throws {
    try await withBusyboxService(.ordinary) { _, service in
      let created = try await service.send(
        ContainerCreate.self,
        .init(image: "busybox:1", command: ["true"], limits: .init(memoryBytes: 64 << 20, processes: 5)))
      #expect(created.warnings?.map(\.subject) == ["limits.memoryBytes", "limits.processes"])
      #expect(created.warnings?.allSatisfy { $0.reason.contains("start the service") } == true)
      #expect(
        try await service.send(ContainerStart.self, .init(container: created.container.id)).warnings?.count
          == 2)
      #expect(
        try await service.send(ContainerWait.self, .init(container: created.container.id)).exit?.code == 0)
      _ = try await sleeper(service, "sleeps")
      let refused = await #expect(throws: RPCError.self) {
        try await service.send(ContainerPause.self, .init(container: "sleeps"))
      }
      #expect(refused?.data?.kind == .unsupported && refused?.data?.hint != nil)
      let updated = try await service.send(
        ContainerUpdate.self, .init(container: "sleeps", limits: .init(processes: 5)))
      #expect(updated.warnings?.count == 1 && updated.limits.processes == 5)
    }
  }

  @Test("processes and numbers, with a control group and without", arguments: Account.available)
  func numbers(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let busy = try await sleeper(
        service, "busy", command: ["sh", "-c", "sleep 1000 & while true; do true; done"])
      let idle = try await sleeper(service, "idle", limits: .init(memoryBytes: 64 << 20, processes: 9))
      let processes = try await eventually(describing: "both processes are there") {
        try await service.send(ContainerTop.self, .init(container: "busy")).processes
      } until: {
        $0.count == 2
      }
      #expect(processes.map(\.containerPid).sorted().first == 1)
      let first = try #require(processes.first { $0.containerPid == 1 })
      #expect(first.pid == busy.pid && first.command.prefix(2) == ["sh", "-c"] && first.threads == 1)
      #expect(processes.first { $0.containerPid != 1 }?.parentPid == first.pid)
      #expect(first.residentBytes > 4096 && first.startedAt.hasPrefix("20"))

      let following = Task {
        try await service.send(
          ContainerStats.self, .init(containers: ["busy", "idle"], follow: true, intervalMs: 50))
      }
      func samples() -> [ContainerSample] {
        service.notifications.all.compactMap {
          if case .containerStatsSampled(let sampled) = $0 { sampled.stats } else { nil }
        }.flatMap { $0 }
      }
      await service.notifications.wait { all in
        all.contains {
          if case .containerStatsSampled(let sampled) = $0 {
            sampled.stats.contains { $0.name == "busy" && $0.cpuPermille ?? 0 > 100 }
          } else {
            false
          }
        }
      }
      let ofBusy = samples().filter { $0.container == busy.id }
      #expect(ofBusy.first?.cpuPermille == nil && ofBusy.map(\.cpuTimeUs) == ofBusy.map(\.cpuTimeUs).sorted())
      #expect(ofBusy.allSatisfy { $0.processes == 2 && $0.memoryBytes > 4096 && $0.receivedBytes == 0 })
      let ofIdle = try #require(samples().last { $0.container == idle.id })
      if account == .root, Machine.makesGroups {
        #expect(ofIdle.memoryLimitBytes == 64 << 20 && ofIdle.processLimit == 9)
        #expect(ofIdle.outOfMemoryKills == 0)
      }
      // It ends when none of them runs any more.
      for name in ["busy", "idle"] {
        _ = try await service.send(ContainerRemove.self, .init(container: name, force: true))
      }
      #expect(try await following.value.stats.isEmpty == false)
      #expect(try await service.send(ContainerStats.self, .init()).stats == [])
      let gone = await #expect(throws: RPCError.self) {
        try await service.send(ContainerStats.self, .init(containers: ["busy"]))
      }
      #expect(gone?.data?.kind == .notFound)
    }
  }

  @Test("a process's own limits, its OOM score and the size of /dev/shm", arguments: Account.available)
  func ofProcesses(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let output = try await service.run([
        "sh", "-c",
        "ulimit -Sn; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj; grep shm /proc/mounts || cat /proc/mounts",
      ]) {
        $0.ulimits = [.init(name: "nofile", soft: 64, hard: 128), .init(name: "core", soft: 0)]
        $0.oomScoreAdjust = 500
        $0.sharedMemoryBytes = 1 << 20
      }
      let lines = output.stdout.split(separator: "\n").map(String.init)
      #expect(lines.prefix(4) == ["64", "128", "0", "500"])
      #expect(lines.contains { $0.contains("/dev/shm") && $0.contains("size=1024k") })
      for (ulimits, kind) in [
        ([Ulimit(name: "nonsense", soft: 1)], ErrorKind.invalidArgument),
        ([Ulimit(name: "nofile", soft: 9, hard: 8)], ErrorKind.invalidArgument),
        ([Ulimit(name: "nofile", soft: 1 << 40, hard: 1 << 40)], ErrorKind.permissionDenied),
      ] {
        let error = await #expect(throws: RPCError.self) {
          try await service.run(["true"]) { $0.ulimits = ulimits }
        }
        #expect(error?.data?.kind == kind)
      }
    }
  }
}

/// Control groups as this machine has them, looked at without the engine.
private enum Machine {
  static let isUnified = fileExists("/sys/fs/cgroup/cgroup.controllers")
  static let makesGroups = geteuid() == 0 && (isUnified || fileExists("/sys/fs/cgroup/freezer/cgroup.procs"))
  static let hasNoDelegation = Account.available.contains(.ordinary)

  /// One that has room; its rates can be limited.
  static let disk: (name: String, numbers: String)? = {
    let controllers = try? String(contentsOfFile: "/sys/fs/cgroup/cgroup.controllers", encoding: .utf8)
    guard
      isUnified
        ? controllers?.split(whereSeparator: \.isWhitespace).contains("io") == true
        : fileExists("/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device")
    else { return nil }
    func text(_ name: String, _ file: String) -> String {
      ((try? String(contentsOfFile: "/sys/block/\(name)/\(file)", encoding: .utf8)) ?? "")
        .trimmingCharacters(in: .whitespacesAndNewlines)
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/sys/block")) ?? []
    return names.sorted().first { Int(text($0, "size")) ?? 0 > 0 && fileExists("/dev/\($0)") }
      .map { ($0, text($0, "dev")) }
  }()

  private static func fileExists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  static func groups(of id: String) -> [String] {
    let mounts = (try? String(contentsOfFile: "/proc/mounts", encoding: .utf8)) ?? ""
    return mounts.split(separator: "\n").map { $0.split(separator: " ") }
      .filter { $0.count > 2 && $0[2].hasPrefix("cgroup") }.map { "\($0[1])/coracle/\(id)" }.filter(
        fileExists)
  }

  struct Group {
    var path: String

    func read(_ unified: String, _ legacy: String) -> String? {
      let parts = legacy.split(separator: "/")
      let file =
        isUnified ? "/sys/fs/cgroup\(path)/\(unified)" : "/sys/fs/cgroup/\(parts[0])\(path)/\(parts[1])"
      return (try? String(contentsOfFile: file, encoding: .utf8))?.trimmingCharacters(
        in: .whitespacesAndNewlines)
    }

    var isFrozen: Bool {
      read("cgroup.events", "freezer/freezer.state").map { $0.contains("frozen 1") || $0 == "FROZEN" } == true
    }

    func processes(_ controller: String) -> [Substring] {
      (read("cgroup.procs", "\(controller)/cgroup.procs") ?? "").split(separator: "\n")
    }
  }

  /// The group of a process, which has to be one of the engine's.
  static func group(_ pid: Int) throws -> Group {
    let text = try String(contentsOfFile: "/proc/\(pid)/cgroup", encoding: .utf8)
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      if fields.count == 3, fields[1] == (isUnified ? "" : "pids") {
        guard fields[2].hasPrefix("/coracle/") else { break }
        return Group(path: String(fields[2]))
      }
    }
    throw TestFailure("process \(pid) is in no group of coracle's: \(text)")
  }
}
