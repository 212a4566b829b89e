import Foundation
import SystemPackage
import TestSupport
import Testing

@Suite("The OCI life cycle at the command line", .requires(.root))
struct LifeCycleTests {
  @Test("run gives the command's output and status, and leaves nothing")
  func run() async throws {
    try await Bundle.with { runtime in
      try runtime.setCommand(["sh", "-c", "cat; id -u; readlink /proc/self/fd/3; exit 7"])
      let result = try await runtime("run", "one", input: .bytes(Array("input\n".utf8)))
      #expect(result.status == .exited(7))
      #expect(result.text == "input\n0\n")
      #expect(try await runtime.state("one") == nil)
      try runtime.setCommand(["sh", "-c", "kill -9 $$"])
      // The first process of a pid namespace is spared its own signals.
      #expect(try await runtime("run", "two").status == .exited(0))
    }
  }

  @Test("A container goes from creating to stopped; what comes in the wrong order is refused")
  func order() async throws {
    try await Bundle.with { runtime in
      try runtime.setCommand(["sleep", "1000"])
      let missing = try await runtime("start", "c")
      #expect(missing.status == .exited(1))
      #expect(missing.errorText.contains("container does not exist"))
      #expect(try await runtime("create", "--pid-file", "pid", "c").succeeded)
      let state = try #require(try await runtime.state("c"))
      #expect(state["status"] as? String == "created")
      #expect(state["bundle"] as? String == runtime.directory.string)
      let pid = String(decoding: try runtime.directory.appending("pid").readAll(), as: UTF8.self)
      #expect(state["pid"] as? Int == Int(pid))
      let again = try await runtime("create", "c")
      #expect(again.errorText.contains("container with given ID already exists"))

      #expect(try await runtime("start", "c").succeeded)
      #expect(try await runtime.status("c") == "running")
      // Exec has happened when start returns.
      let program = try String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)
      #expect(program == "sleep\u{0}1000\u{0}")
      #expect(try await runtime("start", "c").errorText.contains("cannot start an already running container"))
      #expect(try await runtime("delete", "c").errorText.contains("that is not stopped: running"))

      #expect(try await runtime("kill", "c", "KILL").succeeded)
      try await runtime.waitUntilStopped("c")
      #expect(try await runtime("kill", "c", "KILL").errorText.contains("container not running"))
      #expect(try await runtime("start", "c").errorText.contains("cannot start a container that has stopped"))
      #expect(try await runtime("exec", "c", "true").errorText.contains("cannot exec in a stopped container"))
      #expect(try await runtime("delete", "c").succeeded)
      #expect(try await runtime.state("c") == nil)
      #expect(try await !runtime("delete", "c").succeeded)
      #expect(try await runtime("delete", "--force", "c").succeeded)
    }
  }

  @Test("A created container can be deleted; a running one by force")
  func delete() async throws {
    try await Bundle.with { runtime in
      try runtime.setCommand(["sleep", "1000"])
      #expect(try await runtime("create", "c").succeeded)
      #expect(try await runtime("delete", "c").succeeded)
      #expect(try await runtime("run", "--detach", "d").succeeded)
      #expect(try await runtime("delete", "--force", "d").succeeded)
      #expect(try await runtime("list", "-q").text == "")
    }
  }

  @Test(
    "A command that is missing or cannot be executed fails create, and leaves nothing",
    arguments: [
      (["nope"], "exec: \"nope\": executable file not found in $PATH"),
      (["/nope"], "exec: \"/nope\": stat /nope: no such file or directory"),
      (["/etc/text"], "exec: \"/etc/text\": permission denied"),
      (["/etc"], "exec: \"/etc\": permission denied"),
    ])
  func badCommand(command: [String], message: String) async throws {
    try await Bundle.with { runtime in
      try runtime.setCommand(command)
      let result = try await runtime("--log", "log", "--log-format", "json", "create", "c")
      #expect(result.status == .exited(1))
      #expect(result.errorText.contains(message))
      let log = try JSONSerialization.jsonObject(with: Data(runtime.directory.appending("log").readAll()))
      let entry = try #require(log as? [String: String])
      #expect(entry["level"] == "error")
      #expect(entry["msg"] == message)
      #expect(try await runtime.state("c") == nil)
      #expect(try await runtime("list", "-q").text == "")
    }
  }

  @Test("exec joins the container: its namespaces, its root, and a status of its own")
  func exec() async throws {
    try await Bundle.with { runtime in
      try runtime.setCommand(["sleep", "1000"])
      #expect(try await runtime("run", "-d", "c").succeeded)
      let command = "echo $A; id -u; id -g; cat /etc/text; readlink /proc/self/fd/3; ls /proc/1/root; exit 5"
      let result = try await runtime(
        "exec", "--user", "7:8", "--env", "A=value", "--cwd", "/tmp", "c", "sh", "-c", command)
      #expect(result.status == .exited(5))
      #expect(result.text == "value\n7\n8\ntext\n")
      #expect(try await runtime("exec", "c", "nope").errorText.contains("executable file not found in $PATH"))
      // Its dead would hold up the end of the container's pid namespace.
      #expect(try await runtime("delete", "--force", "c").succeeded)
    }
  }

  @Test("Hooks get the state, in their order and each in its namespaces; one that fails ends the creation")
  func hooks() async throws {
    try await Bundle.with { runtime in
      let log = runtime.directory.appending("hooks").string
      func hook(_ name: String, _ command: String) -> [[String: Any]] {
        [["path": "/bin/sh", "args": ["sh", "-c", command], "env": ["PATH=/bin"]]]
      }
      let host =
        "mnt=$(readlink /proc/self/ns/mnt); case $(cat) in *'\"id\":\"c\"'*) echo $0 $mnt >> \(log);; esac"
      try runtime.change {
        var hooks: [String: Any] = [:]
        for name in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
          hooks[name] = [
            ["path": "/bin/sh", "args": ["sh", "-c", host, name], "env": ["PATH=/bin:/usr/bin"]]
          ]
        }
        hooks["startContainer"] = hook("startContainer", "echo inside; cat > /tmp/state")
        $0["hooks"] = hooks
      }
      try runtime.setCommand(["sh", "-c", "echo command"])
      let result = try await runtime("run", "c")
      #expect(result.text == "command\n")
      #expect(result.errorText == "inside\n")
      let lines = String(decoding: try FilePath(log).readAll(), as: UTF8.self).split(separator: "\n")
        .map { $0.split(separator: " ") }
      #expect(
        lines.map { $0[0] } == ["prestart", "createRuntime", "createContainer", "poststart", "poststop"])
      let host1 = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/mnt")
      #expect(lines.map { $0[1] == host1 } == [true, true, false, true, true])
      let state = try FilePath(runtime.directory.string + "/rootfs/tmp/state").readAll()
      let members = try JSONSerialization.jsonObject(with: Data(state)) as? [String: Any]
      #expect(members?["pid"] as? Int == 1)
      #expect(members?["status"] as? String == "created")

      try runtime.change { $0["hooks"] = ["createRuntime": [["path": "/bin/false"]]] }
      let failed = try await runtime("create", "d")
      #expect(failed.errorText.contains("cannot run the createRuntime hook /bin/false: it ended with 1"))
      #expect(try await runtime("list", "-q").text == "")
      try runtime.change {
        $0["hooks"] = [
          "prestart": [["path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1] as [String: Any]]
        ]
      }
      #expect(try await !runtime("create", "e").succeeded)
      #expect(try await runtime("list", "-q").text == "")
    }
  }

  @Test(
    "Descriptors that are passed on are there, from 3 on, and no others; sockets are told of in the environment"
  )
  func preserved() async throws {
    try await Bundle.with { runtime in
      let script = """
        echo three > three; echo four > four; exec 3< three 4< four 9< three
        run() { "$@" < /dev/null; }
        """
      func lines(_ call: String) async throws -> [Substring] {
        let command = "\(script)\n\(call.replacing("RUNTIME", with: runtime.program))"
        let result = try await ChildProcess.run(["sh", "-c", command], workingDirectory: runtime.directory)
        return result.text.split(separator: "\n") + result.errorText.split(separator: "\n")
      }
      try runtime.setCommand([
        "sh", "-c",
        "cat <&3; cat <&4; for i in 5 6 7 8 9; do readlink /proc/self/fd/$i; done; echo $LISTEN_FDS $LISTEN_PID",
      ])
      #expect(try await lines("run RUNTIME run --preserve-fds 2 c") == ["three", "four"])
      #expect(try await lines("LISTEN_FDS=1 run RUNTIME run --preserve-fds 1 c") == ["three", "four", "1 1"])
      try runtime.setCommand(["sleep", "1000"])
      #expect(try await runtime("run", "-d", "d").succeeded)
      let exec =
        "run RUNTIME exec --preserve-fds 1 d sh -c 'cat <&3; readlink /proc/self/fd/4; readlink /proc/self/fd/9'"
      #expect(try await lines(exec) == ["three"])
      let missing = try await lines("exec 4<&-; run RUNTIME run --preserve-fds 2 c")
      #expect(missing.first?.contains("descriptor 4, which is to be passed on, is not open") == true)
    }
  }

  @Test("rootfsPropagation is the root's: mounts that the host makes later come to a slave, and to no other")
  func propagation() async throws {
    try await Bundle.with { runtime in
      func kind(_ word: String) async throws -> String {
        try runtime.changeLinux { $0["rootfsPropagation"] = word }
        // mountinfo's optional fields stand behind the options.
        try runtime.setCommand([
          "sh", "-c",
          "while read a b c d e f g h; do [ $e = / ] && echo $g; done < /proc/self/mountinfo; true",
        ])
        let result = try await runtime("run", "c")
        #expect(result.succeeded, "\(result.errorText)")
        return String(result.text.prefix { $0 != ":" && $0 != "\n" })
      }
      for (word, field) in [
        ("private", "-"), ("rprivate", "-"), ("shared", "shared"), ("rshared", "shared"),
        ("unbindable", "unbindable"),
      ] {
        let found = try await kind(word)
        #expect(found == field, "\(word)")
      }
      try runtime.changeLinux { $0["rootfsPropagation"] = "most" }
      #expect(try await runtime("run", "c").errorText.contains("not a propagation: most"))

      try runtime.setCommand(["sleep", "1000"])
      for (word, isSeen) in [("rslave", true), ("rprivate", false)] {
        try runtime.changeLinux { $0["rootfsPropagation"] = word }
        let script = """
          mount --bind rootfs rootfs && mount --make-shared rootfs || exit 1
          "$@" run -d s > /dev/null 2>&1 < /dev/null || exit 1
          mount -t tmpfs tmpfs rootfs/tmp; touch rootfs/tmp/later
          "$@" exec s ls /tmp; "$@" delete --force s
          """
        let result = try await ChildProcess.run(
          ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"] + runtime.command,
          workingDirectory: runtime.directory)
        #expect(result.text == (isSeen ? "later\n" : ""), "\(word): \(result.errorText)")
      }
    }
  }

  @Test("A user namespace of its own has the maps of the configuration; its root is nobody of the host's")
  func userNamespace() async throws {
    try await Bundle.with { runtime in
      let map: [[String: Any]] = [["containerID": 0, "hostID": 300_000, "size": 1000]]
      try runtime.changeLinux {
        $0["namespaces"] = ["mount", "pid", "uts", "ipc", "network", "user"].map { ["type": $0] }
        $0["uidMappings"] = map
        $0["gidMappings"] = map
      }
      try runtime.setCommand([
        "sh", "-c",
        "cat /proc/self/uid_map; id -u; echo x > /dev/null && echo null; touch /tmp/x 2> /dev/null || echo refused; sleep 1000",
      ])
      let script =
        "\"$@\" run -d c > out 2>&1 < /dev/null && timeout 300 sh -c 'until grep -q refused out; do sleep 0.02; done'; cat out"
      let result = try await ChildProcess.run(
        ["sh", "-c", script, "sh"] + runtime.command, workingDirectory: runtime.directory)
      #expect(
        result.text.split(whereSeparator: \.isWhitespace) == ["0", "300000", "1000", "0", "null", "refused"])
      let state = try await runtime.state("c")
      let pid = try #require(state?["pid"] as? Int)
      let owner = try FileManager.default.attributesOfItem(atPath: "/proc/\(pid)")[.ownerAccountID] as? Int
      #expect(owner == 300_000)
      // A further process has the same ids.
      #expect(try await runtime("exec", "c", "cat", "/proc/self/uid_map").text.contains("300000"))
    }
  }

  @Test("one whose start hangs in a hook of its own can be killed and deleted")
  func hangingStart() async throws {
    try await Bundle.with { runtime in
      try runtime.setCommand(["sleep", "1000"])
      let begun = runtime.directory.appending("rootfs/begun")
      try runtime.change {
        $0["hooks"] = [
          "startContainer": [["path": "/bin/sh", "args": ["sh", "-c", "touch /begun; sleep 1000"]]]
        ]
      }
      for end in [["kill", "c", "KILL"], ["delete", "--force", "c"]] {
        #expect(try await runtime("create", "c").succeeded)
        async let start = runtime("start", "c")
        try await eventually(describing: "the hook has begun") {
          FileManager.default.fileExists(atPath: begun.string)
        }
        #expect(try await runtime.run(end).succeeded)
        _ = try await start
        #expect(try await runtime("delete", "--force", "c").succeeded)
        try FileManager.default.removeItem(atPath: begun.string)
      }
    }
  }
}
