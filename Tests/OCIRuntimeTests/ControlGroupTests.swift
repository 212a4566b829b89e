import Foundation
import SystemPackage
import TestSupport
import Testing

/// With v1 or v2, whichever this machine has: `make cgroup2` runs them with v2 alone.
@Suite("Control groups of bundles", .requires(.root))
struct ControlGroupTests {
  /// A place below the mounts of this machine's hierarchies, of this test's own.
  private struct Place {
    let path = "/coracle-test-\(UInt32.random(in: .min ... .max))/of/c"
    let isUnified = FileManager.default.fileExists(atPath: "/sys/fs/cgroup/cgroup.controllers")

    func directory(_ controller: String) -> FilePath {
      FilePath(isUnified ? "/sys/fs/cgroup\(path)" : "/sys/fs/cgroup/\(controller)\(path)")
    }

    /// The file's first line.
    func read(_ controller: String, _ legacy: String, _ unified: String) throws -> String {
      // Such a file does not say how long it is.
      let path = directory(controller).appending(isUnified ? unified : legacy).string
      return String(try String(contentsOfFile: path, encoding: .utf8).prefix { $0 != "\n" })
    }

    /// Whether the container's own is gone; and what was made for it goes too.
    func isGone() -> Bool {
      let files = FileManager.default
      let controllers = (try? files.contentsOfDirectory(atPath: "/sys/fs/cgroup")) ?? []
      let all = isUnified ? [""] : controllers
      let isGone = all.allSatisfy { !files.fileExists(atPath: directory($0).string) }
      for controller in all {
        for parent in [
          directory(controller).removingLastComponent(),
          directory(controller).removingLastComponent().removingLastComponent(),
        ] {
          rmdir(parent.string)
        }
      }
      return isGone
    }
  }

  private static var resources: [String: Any] {
    ["memory": ["limit": 64 << 20], "pids": ["limit": 40], "cpu": ["quota": 50_000, "period": 100_000]]
  }

  private func withContainer(
    _ resources: [String: Any] = ControlGroupTests.resources, command: [String] = ["sleep", "1000"],
    _ body: (Bundle, Place) async throws -> Void
  ) async throws {
    let place = Place()
    try await Bundle.with { runtime in
      try runtime.changeLinux {
        $0["cgroupsPath"] = place.path
        $0["resources"] = resources
      }
      try runtime.setCommand(command)
      let started = try await runtime("run", "--detach", "c")
      try #require(started.succeeded, "\(started.errorText)")
      try await body(runtime, place)
      #expect(try await runtime("delete", "--force", "c").succeeded)
      #expect(place.isGone())
    }
  }

  @Test("Limits are the kernel's from the start; update changes them, and keeps those that it does not name")
  func limits() async throws {
    try await withContainer { runtime, place in
      #expect(try place.read("memory", "memory.limit_in_bytes", "memory.max") == "\(64 << 20)")
      #expect(try place.read("pids", "pids.max", "pids.max") == "40")
      #expect(try place.read("cpu", "cpu.cfs_quota_us", "cpu.max").hasPrefix("50000"))
      let state = try await runtime.state("c")
      let pid = try #require(state?["pid"] as? Int)
      #expect(try place.read("pids", "cgroup.procs", "cgroup.procs") == "\(pid)")

      let updated = try await runtime("update", "--memory", "128m", "--pids-limit", "-1", "c")
      #expect(updated.succeeded, "\(updated.errorText)")
      #expect(try place.read("memory", "memory.limit_in_bytes", "memory.max") == "\(128 << 20)")
      #expect(try place.read("pids", "pids.max", "pids.max") == "max")
      #expect(try place.read("cpu", "cpu.cfs_quota_us", "cpu.max").hasPrefix("50000"))
      let input = Array(#"{"pids": {"limit": 77}, "cpu": {"quota": -1}}"#.utf8)
      #expect(try await runtime("update", "-r", "-", "c", input: .bytes(input)).succeeded)
      #expect(try place.read("pids", "pids.max", "pids.max") == "77")
      let quota = try place.read("cpu", "cpu.cfs_quota_us", "cpu.max")
      #expect(["-1", "max 100000"].contains(quota))
      let refused = try await runtime("update", "--cpuset-cpus", "4000", "c")
      #expect(refused.errorText.contains("cpuset.cpus"))
      // A further process is counted with the others.
      let exec = try await runtime("exec", "c", "sh", "-c", "cat /proc/self/cgroup")
      #expect(exec.text.contains(place.path))
    }
  }

  @Test("pause holds all processes, and resume lets them go; the state tells")
  func pause() async throws {
    try await withContainer { runtime, place in
      #expect(try await runtime("pause", "c").succeeded)
      #expect(try await runtime.status("c") == "paused")
      #expect(try await runtime("pause", "c").errorText.contains("cannot pause container c that is paused"))
      #expect(try await runtime("exec", "c", "true").errorText.contains("cannot exec in a paused container"))
      let waiting = try await ChildProcess.spawn(
        runtime.command + ["exec", "--ignore-paused", "c", "sh", "-c", "exit 5"])
      try await eventually(describing: "the second process is there") {
        try await runtime("ps", "--format", "json", "c").text
      } until: {
        $0.split(separator: ",").count >= 2
      }
      #expect(try await runtime.status("c") == "paused")
      #expect(try await runtime("resume", "c").succeeded)
      #expect(try await waiting.waitForExit().status == .exited(5))
      #expect(try await runtime.status("c") == "running")
      #expect(try await runtime("resume", "c").errorText.contains("that is not paused"))
      #expect(try await runtime("exec", "c", "true").succeeded)
      // One that is held dies all the same.
      #expect(try await runtime("pause", "c").succeeded)
      #expect(try await runtime("kill", "c", "KILL").succeeded)
      try await runtime.waitUntilStopped("c")
    }
  }

  @Test("A container without a group gets one when it is paused")
  func adoption() async throws {
    try await Bundle.with { runtime in
      try runtime.setCommand(["sleep", "1000"])
      let id = "adopted-\(UInt32.random(in: .min ... .max))"
      #expect(try await runtime("run", "--detach", id).succeeded)
      #expect(try await runtime("pause", id).succeeded)
      #expect(try await runtime.status(id) == "paused")
      #expect(try await runtime("resume", id).succeeded)
      #expect(try await runtime("events", "--stats", id).text.contains(#""type":"stats""#))
      #expect(try await runtime("delete", "--force", id).succeeded)
    }
  }

  @Test("kill --all reaches what left the pid namespace's reach, and ps lists it")
  func all() async throws {
    try await withContainer(command: ["sh", "-c", "sleep 1001 & sleep 1002 & sleep 1003"]) { runtime, place in
      try await eventually(describing: "all three are there") {
        try await runtime("ps", "--format", "json", "c").text
      } until: {
        $0.split(separator: ",").count >= 3
      }
      #expect(try await runtime("ps", "c").text.contains("sleep 1002"))
      #expect(try await runtime("kill", "--all", "c", "TERM").succeeded)
      #expect(try await runtime("kill", "--all", "c", "KILL").succeeded)
      try await runtime.waitUntilStopped("c")
      #expect(try await runtime("ps", "--format", "json", "c").text == "[]\n")
    }
  }

  @Test("events tells what is used, and of a kill for want of memory")
  func events() async throws {
    try await withContainer(["memory": ["limit": 16 << 20, "swap": 16 << 20]]) { runtime, place in
      let once = try await runtime("events", "--stats", "c")
      let line = try #require(try JSONSerialization.jsonObject(with: Data(once.stdout)) as? [String: Any])
      #expect(line["type"] as? String == "stats" && line["id"] as? String == "c")
      let data = try #require(line["data"] as? [String: [String: Any]])
      #expect((data["memory"]?["usage"] as? [String: Any])?["limit"] as? Int == 16 << 20)
      #expect(data["pids"]?["current"] as? Int == 1)

      let follower = try await ChildProcess.spawn(
        runtime.command + ["events", "--interval", "100ms", "c"], output: .pipe)
      let output = try #require(follower.standardOutput)
      defer { try? output.close() }
      var text = ""
      // Samples come all the time, whatever else does not.
      let end = ContinuousClock.now + Patience.wait
      func readUntil(_ word: String) async throws {
        while !text.contains(word) {
          let bytes = try await output.readWhenReady(word)
          if bytes.isEmpty { throw TestFailure("events ended: \(text)") }
          if ContinuousClock.now > end { throw TestFailure("no \(word): \(text.suffix(4096))") }
          text += String(decoding: bytes, as: UTF8.self)
        }
      }
      try await readUntil(#""type":"stats""#)
      let eaten = try await runtime("exec", "c", "tail", "/dev/zero")
      #expect(eaten.status == .exited(137))
      try await readUntil(#""id":"c","type":"oom""#)
      #expect(try await runtime("kill", "c", "KILL").succeeded)
      // It ends only when it is rid of all its samples, and a pipe does not hold many.
      while try await !output.readWhenReady("the end of events").isEmpty {}
      #expect(try await follower.waitForExit().status == .exited(0))
    }
  }

  @Test("Devices are those of the rules and those that every container has, whatever nodes it makes")
  func devices() async throws {
    let command =
      "for d in '1 3' '1 11' '1 1'; do mknod /tmp/d c $d && (: < /tmp/d) 2> /dev/null && echo $d; rm -f /tmp/d; done"
    try await Bundle.with { runtime in
      let place = Place()
      try runtime.addCapabilities(["CAP_MKNOD"])
      try runtime.setCommand(["sh", "-c", command.replacing("rm -f", with: "busybox rm -f")])
      try runtime.changeLinux {
        $0["cgroupsPath"] = place.path
        $0["resources"] = [
          "devices": [
            ["allow": false, "access": "rwm"] as [String: Any],
            ["allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"] as [String: Any],
          ]
        ]
      }
      let result = try await runtime("run", "c")
      // kmsg may be closed to all by the machine itself.
      #expect(result.text.hasPrefix("1 3\n"), "\(result.errorText)")
      #expect(!result.text.contains("1 1\n"))
      #expect(place.isGone())
    }
  }

  @Test(
    "What only one version of control groups has is a warning, and v2's own files are written as they are named"
  )
  func versions() async throws {
    try await Bundle.with { runtime in
      let place = Place()
      try runtime.setCommand(["sleep", "1000"])
      func run(_ resources: [String: Any]) async throws -> ChildProcess.Result {
        try runtime.changeLinux {
          $0["cgroupsPath"] = place.path
          $0["resources"] = resources
        }
        return try await runtime("run", "--detach", "c")
      }
      let started = try await run(["unified": ["memory.high": "\(32 << 20)", "cgroup.max.depth": "3"]])
      #expect(started.succeeded, "\(started.errorText)")
      if place.isUnified {
        #expect(try place.read("", "", "memory.high") == "\(32 << 20)")
        #expect(try place.read("", "", "cgroup.max.depth") == "3")
        let missing = try await runtime(
          "update", "-r", "-", "c", input: .bytes(Array(#"{"unified": {"memory.frobnicate": "1"}}"#.utf8)))
        #expect(
          missing.errorText.contains("cannot set memory.frobnicate: the control group has no such file"))
      } else {
        #expect(
          started.errorText.contains("linux.resources.unified does not apply: this machine uses cgroup v1"))
      }
      for file in ["cgroup.kill", "../cgroup.procs", "memory/../x.y", "memory"] {
        let refused = try await runtime(
          "update", "-r", "-", "c", input: .bytes(Array("{\"unified\": {\"\(file)\": \"1\"}}".utf8)))
        #expect(refused.errorText.contains("not a limit of cgroup v2: \(file)"), "\(refused.errorText)")
      }
      #expect(try await runtime("delete", "--force", "c").succeeded)
      if place.isUnified {
        let legacy = try await run(["cpu": ["realtimeRuntime": 1000], "memory": ["swappiness": 10]])
        #expect(legacy.succeeded)
        for member in ["cpu.realtimeRuntime", "memory.swappiness"] {
          #expect(legacy.errorText.contains("linux.resources.\(member) does not apply: this kernel has no"))
        }
        #expect(try await runtime("delete", "--force", "c").succeeded)
      }
      #expect(place.isGone())
    }
  }

  @Test("A slice, a prefix and a name are the directory that systemd would make; its driver is refused")
  func systemd() async throws {
    try await Bundle.with { runtime in
      let word = "coracletest\(UInt32.random(in: .min ... .max))"
      try runtime.changeLinux { $0["cgroupsPath"] = "\(word)-a.slice:pre:name" }
      try runtime.setCommand(["cat", "/proc/self/cgroup"])
      #expect(try await runtime("run", "c").text.contains(":/\(word).slice/\(word)-a.slice/pre-name.scope\n"))
      _ = try await ChildProcess.run([
        "sh", "-c", "find /sys/fs/cgroup -depth -type d -name '\(word)*' -exec rmdir {} + ",
      ])
      let refused = try await runtime("--systemd-cgroup", "run", "c")
      #expect(refused.errorText.contains("control groups cannot be made by systemd"))
      for path in ["/", "/a/../b", "x:y:z"] {
        try runtime.changeLinux { $0["cgroupsPath"] = path }
        #expect(try await runtime("run", "c").status == .exited(1))
      }
    }
  }

  @Test("A group that has processes is not taken")
  func taken() async throws {
    try await withContainer { runtime, _ in
      let again = try await runtime("run", "d")
      #expect(again.errorText.contains("the container's control group has processes"))
      #expect(try await runtime.status("c") == "running")
    }
  }
}
