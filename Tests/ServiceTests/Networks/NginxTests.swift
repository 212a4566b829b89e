import Foundation
import Glibc
import LinuxSystem
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("nginx", .requires(.networks))
struct NginxTests {
  @Test("Debian's nginx, from its image to its end", arguments: Account.available)
  func nginx(account: Account) async throws {
    let root = try await NginxRoot.archive()
    try await NetworkScene.with(account) { scene, elsewhere in
      let archive = scene.store.directory.appending("nginx.tar")
      let copied = try await ChildProcess.run(["install", "-m", "644", root.string, archive.string])
      #expect(copied.succeeded, "\(copied.errorText)")
      _ = try await scene.service.send(
        ImageImport.self,
        .init(
          path: archive.string, reference: "nginx:1",
          changes: .init(
            command: ["nginx", "-g", "daemon off;"], exposedPorts: ["80/tcp"], stopSignal: "SIGQUIT")))
      func run(_ name: String, _ change: (inout ContainerRun.Params) -> Void = { _ in }) async throws -> Int {
        var params = ContainerRun.Params(image: "nginx:1", name: name, publishExposed: true, detach: true)
        change(&params)
        let container = try await scene.service.send(ContainerRun.self, params).container
        try await scene.waitForPort(name)
        return try #require(container.ports?.first?.hostPort)
      }
      let port = try await run("web")
      let following = Task { try await scene.service.logs("web", follow: true) }
      #expect(try await scene.fetch(port).contains("Welcome to nginx!"))
      let outside = try await elsewhere.shell("curl -sS --max-time 20 http://192.0.2.1:\(port)/")
      #expect(outside.contains("Welcome to nginx!"))

      // Through the writable layer, and two that talk by name.
      _ = try await scene.service.exec("web", ["sh", "-c", "echo changed > /var/www/html/index.html"])
      #expect(try await scene.fetch(port) == "changed\n")
      let pages = scene.store.directory.appending("pages")
      let made = try await ChildProcess.run([
        "sh", "-c", "mkdir -m 755 $1; echo one > $1/index.html; chmod 644 $1/index.html", "sh", pages.string,
      ])
      #expect(made.succeeded)
      let second = try await run("site") {
        $0.mounts = [.init(kind: .bind, target: "/var/www/html", source: pages.string)]
      }
      #expect(try await scene.fetch(second) == "one\n")
      try Data("two\n".utf8).write(to: URL(filePath: pages.appending("index.html").string))
      #expect(try await scene.fetch(second) == "two\n")
      let talk = try await scene.service.exec(
        "site",
        ["bash", "-c", "exec 3<>/dev/tcp/web/80; printf 'GET /named HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3"])
      #expect(talk.stdout.contains("404"))

      let exit = try await scene.service.send(ContainerStop.self, .init(container: "web", timeoutMs: 20_000))
        .exit
      #expect(exit.code == 0 && exit.signal == nil)
      let log = try await following.value
      #expect(log.contains("GET / ") && log.contains("GET /named"))
      #expect(try await !scene.listens(port))

      #expect(try await scene.fetch(run("fresh")).contains("Welcome to nginx!"))
    }
  }
}

/// A root file system with Debian's nginx, which is made once and kept beside what is built.
enum NginxRoot {
  static func archive() async throws -> FilePath {
    let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let archive = FilePath(package.appending(path: ".build/nginx-root.tar").path(percentEncoded: false))
    let lock = try await FileLock.acquire(FilePath(archive.string + ".lock"))
    defer { lock.release() }
    let script = package.appending(path: "demo/nginx/root").path(percentEncoded: false)
    let made = try await ChildProcess.run([script, archive.string])
    guard made.succeeded else { throw TestFailure("cannot make a root with nginx: \(made.errorText)") }
    return archive
  }
}
