import RPCModel
import TestSupport
import Testing

@Suite("Networks in the REPL", .requires(.networks))
struct REPLNetworkTests {
  @Test(
    "networks are made, named in run's options, listed, inspected and removed", arguments: Account.available)
  func options(account: Account) async throws {
    try await NetworkScene.with(account) { scene, _ in
      _ = try await scene.service.importBusybox(scene.store)
      func repl(_ line: String) async throws -> String {
        let result = try await scene.store.runProgram("coracle-repl", ["-c", line])
        return result.succeeded ? result.text : "failed: \(result.errorText)"
      }
      #expect(try await repl("network create --subnet 10.78.0.0/24 back") == "back\n")
      #expect(try await repl("network create --internal front") == "front\n")
      // Each of these has a session of its own.
      #expect(try await repl("network create --session brief") == "brief\n")
      #expect(try await !repl("network ls").contains("brief"))
      #expect(try await repl("network create --gateway 10.79.0.1 x").contains("give the ranges as well"))
      #expect(
        try await repl(
          "run -d --name a --network back,alias=alpha,ip=10.78.0.7 --network front busybox:1 sleep 1000")
          == "a\n")
      let files = try await repl(
        "run --rm --network back --network-alias beta --add-host fixed:192.0.2.7 --add-host here:host-gateway --dns 192.0.2.53 --dns-search one.test --dns-option ndots:2 busybox:1 cat /etc/resolv.conf /etc/hosts"
      )
      for line in [
        "nameserver 192.0.2.53", "search one.test", "options ndots:2", "192.0.2.7\tfixed",
        "\(account == .root ? "10.78.0.1" : "192.0.2.1")\there",
      ] {
        #expect(files.contains(line + "\n"), "\(line) in \(files)")
      }
      #expect(files.contains("10.78.0.7\ta ") && files.contains(" alpha\n") && files.contains(" beta\n"))
      #expect(try await repl("run --rm --network container:a busybox:1 cat /etc/hosts").contains(" alpha\n"))
      #expect(try await repl("network ls").contains("10.78.0.0/24"))
      #expect(try await repl("network inspect back").contains("10.78.0.7"))
      #expect(try await repl("network disconnect front a").hasPrefix("failed") == false)
      #expect(try await repl("network connect --alias db front a").hasPrefix("failed") == false)
      #expect(try await repl("network inspect front").contains("db"))
      #expect(try await repl("network rm back").contains("has containers"))
      #expect(try await repl("port a").isEmpty)
      #expect(try await repl("port a 80").contains("publish adds one"))
      #expect(try await repl("run --network nowhere busybox:1 true").contains("nowhere"))
      #expect(try await repl("run --network host --network back busybox:1 true").contains("no other network"))
      #expect(try await repl("rm -f a").hasPrefix("failed") == false)
      #expect(try await repl("network rm back front").hasPrefix("failed") == false)
      #expect(try await !repl("network ls").contains("back"))
    }
  }
}
