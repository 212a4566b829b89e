import Glibc
import RPCModel
import TestSupport
import Testing

@Suite("Name servers", .requires(.networks))
struct NameServerTests {
  /// On a machine whose only name server is for itself, as systemd-resolved's is.
  private func onSuchAMachine(
    _ account: Account, _ body: @Sendable (TestService) async throws -> Void
  ) async throws {
    let host = try await TestNetwork()
    let elsewhere = try await TestNetwork()
    try await host.connect(elsewhere)
    try await withTestStore(account) { store in
      var store = store
      store.network = host
      let file = store.directory.appending("resolv.conf")
      let written = try await ChildProcess.run([
        "sh", "-c",
        "printf 'nameserver 127.0.0.53\\nsearch home.test\\n' > $1; chmod 644 $1; chmod 666 /dev/net/tun",
        "sh", file.string,
      ])
      #expect(written.succeeded, "\(written.errorText)")
      for place in ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] where access(place, F_OK) == 0 {
        store.replaced[place] = file
      }
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      try await body(service)
      #expect(await service.stop() == 0)
    }
  }

  @Test("root's containers are told that they can ask nobody, unless they need nobody or have named one")
  func warning() async throws {
    try await onSuchAMachine(.root) { service in
      func warned(_ change: (inout ContainerCreate.Params) -> Void) async throws -> [String] {
        var params = ContainerCreate.Params(image: "busybox:1", command: ["true"])
        change(&params)
        let made = try await service.send(ContainerCreate.self, params)
        let inspected = try await service.send(ContainerInspect.self, .init(container: made.container.id))
        #expect(inspected.warnings?.map(\.subject) == made.warnings?.map(\.subject))
        return (made.warnings ?? []).map(\.subject)
      }
      #expect(try await warned { $0.network = .bridge } == ["dns"])
      #expect(try await warned { $0.network = NetworkMode.none }.isEmpty)
      let named = try await warned {
        $0.network = .bridge
        $0.dns = .init(servers: ["192.0.2.53"])
      }
      #expect(named.isEmpty)
    }
  }

  @Test(
    "an ordinary user's ask the machine's own by way of pasta",
    .enabled("needs an ordinary user") { Account.available.contains(.ordinary) })
  func relayed() async throws {
    try await onSuchAMachine(.ordinary) { service in
      let ended = try await service.run(["cat", "/etc/resolv.conf"]) { $0.network = .bridge }
      #expect(ended.stdout == "nameserver 169.254.84.3\nsearch home.test\n")
      let details = try await service.send(ContainerInspect.self, .init(container: ended.container.id))
      #expect(details.warnings?.isEmpty ?? true)
    }
  }
}
