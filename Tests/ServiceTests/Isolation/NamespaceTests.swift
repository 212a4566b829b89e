import RPCModel
import TestSupport
import Testing

@Suite("Whose namespaces a container has")
struct NamespaceTests {
  private static let names = ["pid", "ipc", "uts", "cgroup", "net", "mnt"]
  /// Prints the namespaces of the shell, one a line.
  private static let show = [
    "sh", "-c", "for n in \(names.joined(separator: " ")); do busybox readlink /proc/self/ns/$n; done",
  ]

  /// What `show` prints, by name.
  private func namespaces(_ output: String) -> [String: String] {
    let lines = output.split(separator: "\n").map(String.init)
    return Dictionary(uniqueKeysWithValues: zip(Self.names, lines))
  }

  @Test("all its own, unless they are the host's", arguments: Account.available)
  func hostOrOwn(account: Account) async throws {
    try await withBusybox(account) { store, service in
      let script = Self.names.map { "readlink /proc/self/ns/\($0)" }.joined(separator: "; ")
      let host = namespaces(try await ChildProcess.run(["sh", "-c", script]).text)
      #expect(host.count == Self.names.count)
      let own = namespaces(try await service.run(Self.show).stdout)
      #expect(own.count == Self.names.count)
      for name in Self.names { #expect(own[name] != host[name], "\(name)") }
      let shared = namespaces(
        try await service.run(Self.show) {
          $0.pidNamespace = .init(mode: .host)
          $0.ipcNamespace = .init(mode: .host)
          $0.utsNamespace = .init(mode: .host)
          $0.cgroupNamespace = .init(mode: .host)
          $0.network = .host
        }.stdout)
      for name in Self.names { #expect((shared[name] == host[name]) == (name != "mnt"), "\(name)") }
      #expect(await service.stop() == 0)
    }
  }

  @Test("the host's processes and host name, still masked and read-only", arguments: Account.available)
  func hostView(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let machine = try await ChildProcess.run(["uname", "-n"]).text
      let output = try await service.run([
        "sh", "-c",
        "hostname; ls -d /proc/\(service.process.pid) && wc -c < /proc/timer_list; echo 1 > /proc/sys/kernel/ctrl-alt-del || echo no",
      ]) {
        $0.pidNamespace = .init(mode: .host)
        $0.utsNamespace = .init(mode: .host)
      }
      #expect(output.stdout == "\(machine)/proc/\(service.process.pid)\n0\nno\n")
      let error = await #expect(throws: RPCError.self) {
        try await service.run(["true"]) {
          $0.utsNamespace = .init(mode: .host)
          $0.hostname = "other"
        }
      }
      #expect(error?.data?.kind == .invalidArgument)
      #expect(await service.stop() == 0)
    }
  }

  @Test("another container's, also for exec, and only while that one runs", arguments: Account.available)
  func joined(account: Account) async throws {
    try await withBusybox(account) { store, service in
      _ = try await service.send(
        ContainerRun.self,
        .init(image: "busybox:1", name: "first", command: ["sleep", "1000"], hostname: "ship", detach: true))
      let first = namespaces(try await service.exec("first", Self.show).stdout)
      // Another service of the same user does as well.
      let other = try await store.service("other")
      let joining: @Sendable (inout ContainerRun.Params) -> Void = {
        $0.network = .container
        $0.networkContainer = "first"
        $0.pidNamespace = .init(mode: .container, container: "first")
        $0.ipcNamespace = .init(mode: .container, container: "first")
        $0.utsNamespace = .init(mode: .container, container: "first")
        $0.cgroupNamespace = .init(mode: .container, container: "first")
      }
      let ran = try await other.run(["sh", "-c", Self.show[2] + "; hostname; ps; cat /etc/hosts"], joining)
      let second = namespaces(ran.stdout)
      for name in Self.names { #expect((second[name] == first[name]) == (name != "mnt"), "\(name)") }
      #expect(ran.stdout.contains("\nship\n"))
      #expect(ran.stdout.contains("sleep 1000"))
      #expect(ran.stdout.contains("localhost ship"))

      var params = ContainerRun.Params(image: "busybox:1", name: "second", command: ["sleep", "1000"])
      params.detach = true
      joining(&params)
      _ = try await other.send(ContainerRun.self, params)
      let inSecond = namespaces(try await service.exec("second", Self.show).stdout)
      for name in Self.names { #expect((inSecond[name] == first[name]) == (name != "mnt"), "\(name)") }

      // Its pid namespace is the first one's, and ends with it.
      _ = try await service.send(ContainerKill.self, .init(container: "first"))
      #expect(
        try await service.send(ContainerWait.self, .init(container: "second")).exit?.signal == "SIGKILL")
      _ = try await service.send(ContainerWait.self, .init(container: "first"))
      for name in ["second", "none"] {
        let error = await #expect(throws: RPCError.self) {
          if name == "second" {
            _ = try await other.send(ContainerStart.self, .init(container: "second"))
          } else {
            _ = try await other.run(["true"]) {
              $0.network = .container
              $0.networkContainer = name
            }
          }
        }
        #expect(error?.data?.kind == (name == "second" ? .conflict : .notFound), "\(error as Any)")
      }
      // The first one runs anew, in new namespaces, and the second one joins those.
      _ = try await service.send(ContainerStart.self, .init(container: "first"))
      _ = try await other.send(ContainerStart.self, .init(container: "second"))
      let anew = namespaces(try await service.exec("first", Self.show).stdout)
      #expect(try await namespaces(service.exec("second", Self.show).stdout)["net"] == anew["net"])
      for name in ["second", "first"] {
        _ = try await service.send(ContainerRemove.self, .init(container: name, force: true))
      }
      #expect(await other.stop() == 0)
      #expect(await service.stop() == 0)
    }
  }
}
