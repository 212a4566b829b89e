import Glibc
import RPCModel
import TestSupport
import Testing

extension NetworkScene {
  /// For either kind of user, with another machine at the other end of an uplink (192.0.2.2); the services' has 192.0.2.1.
  static func with(
    _ account: Account, _ body: @Sendable (NetworkScene, _ elsewhere: TestNetwork) async throws -> Void
  ) async throws {
    let (host, elsewhere) = (try await TestNetwork(), try await TestNetwork())
    try await host.connect(elsewhere)
    // Root's alone on some machines, and pasta's for everybody on all that have it for that.
    if account == .ordinary { chmod("/dev/net/tun", 0o666) }
    try await withTestStore(account) { store in
      var store = store
      store.network = host
      let service = try await store.service()
      let scene = NetworkScene(store: store, host: host, service: service)
      let outcome: Result<Void, any Error>
      do { outcome = .success(try await body(scene, elsewhere)) } catch { outcome = .failure(error) }
      for container in try await service.send(ContainerList.self, .init(all: true)).containers {
        _ = try await service.send(ContainerRemove.self, .init(container: container.id, force: true))
      }
      #expect(await service.stop() == 0)
      try outcome.get()
    }
  }

  /// Imports a busybox whose web server has one page.
  func importServer() async throws {
    _ = try await service.importBusybox(
      store,
      "mkdir -p www/cgi-bin && echo hello > www/index.html && printf '#!/bin/sh\\necho; echo $REMOTE_ADDR\\n' > www/cgi-bin/who && chmod 755 www/cgi-bin/who && ln -s busybox bin/httpd && ln -s busybox bin/nc && ln -s busybox bin/tail"
    )
  }

  /// Starts that web server.
  @discardableResult
  func serve(
    _ name: String, _ ports: [PortMapping], _ change: (inout ContainerRun.Params) -> Void = { _ in }
  ) async throws -> ContainerSummary {
    var params = ContainerRun.Params(
      image: "busybox:1", name: name, command: ["httpd", "-f", "-p", "80", "-h", "/www"], ports: ports,
      initProcess: true, detach: true)
    change(&params)
    let container = try await service.send(ContainerRun.self, params).container
    try await waitForPort(name)
    return container
  }

  func waitForPort(_ name: String, _ port: Int = 80) async throws {
    _ = try await service.send(
      ContainerWait.self,
      .init(container: name, until: .init(condition: .portOpen, port: port), timeoutMs: 120_000))
  }

  func ports(_ name: String) async throws -> [PublishedPort] {
    try await service.send(ContainerInspect.self, .init(container: name)).container.ports ?? []
  }

  /// What curl gets on the services' machine.
  func fetch(_ port: Int, at address: String = "127.0.0.1") async throws -> String {
    try await host.shell("curl -gsS --max-time 120 http://\(address):\(port)/")
  }

  /// The last line of what a container gets. Its request has no end: pasta of Debian 12 loses the answer on a connection that
  /// one side has ended.
  func get(_ host: String, _ port: Int, from container: String, path: String = "/") async throws -> String {
    try await shell(
      container,
      "busybox mkfifo /ask && exec 3<>/ask && printf 'GET \(path) HTTP/1.0\\r\\n\\r\\n' >&3 && nc -w 60 \(host) \(port) <&3 | tail -n 1; rm /ask"
    )
  }

  /// Whether somebody listens there.
  func listens(_ port: Int) async throws -> Bool {
    try await host.shell(
      "curl -s --max-time 60 http://127.0.0.1:\(port)/ > /dev/null && echo yes || echo no")
      == "yes\n"
  }
}
