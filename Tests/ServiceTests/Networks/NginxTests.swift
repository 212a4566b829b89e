import Foundation
import Glibc
import LinuxSystem
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("nginx", .requires(.networks))
struct NginxTests {
  @Test("the example does what it says", arguments: Account.available)
  func example(account: Account) async throws {
    let root = try await NginxRoot.archive()
    try await NetworkScene.with(account) { scene, _ in
      let archive = scene.store.directory.appending("nginx.tar")
      let example = scene.store.directory.appending("example")
      // Where the account can read them, whoever has the checkout.
      let copied = try await ChildProcess.run([
        "sh", "-c", "install -m 644 $1 $2; mkdir -m 755 $4; install -m 755 $3/root $3/run $4", "sh",
        root.string,
        archive.string, NginxRoot.example, example.string,
      ])
      #expect(copied.succeeded, "\(copied.errorText)")
      // The user's own things by obvious names, which it leaves alone; and it leaves nothing of its.
      try await scene.importServer()
      _ = try await scene.service.send(VolumeCreate.self, .init(name: "pages"))
      _ = try await scene.create("front")
      try await scene.start("web") { $0.network = NetworkMode.none }
      let done = try await scene.store.run([example.appending("run").string, archive.string])
      #expect(done.succeeded, "\(done.text) \(done.errorText)")
      let text = done.text
      #expect(text.components(separatedBy: "Welcome to nginx!").count == 3, "\(text)")
      #expect(text.contains("\na page of its own\n") && text.contains("GET / HTTP/1.1\" 200"), "\(text)")
      #expect(text.components(separatedBy: "\na page in a volume\n").count == 3, "\(text)")
      let volumes = try await scene.service.send(VolumeList.self, .init()).volumes.map(\.name)
      #expect(volumes == ["pages"])
      let networks = try await scene.service.send(NetworkList.self, .init()).networks.map(\.name)
      #expect(networks == ["bridge", "front"])
      let containers = try await scene.service.send(ContainerList.self, .init(all: true)).containers
      #expect(containers.map(\.name) == ["web"] && containers.first?.state == .running)
      let images = try await scene.service.send(ImageList.self, .init()).images
      #expect(images.count == 1, "\(images)")
    }
  }

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
      let outside = try await elsewhere.shell("curl -sS --max-time 120 http://192.0.2.1:\(port)/")
      #expect(outside.contains("Welcome to nginx!"))

      // Through the writable layer, and in a volume, which begins with the image's page and is another container's as well.
      _ = try await scene.service.exec("web", ["sh", "-c", "echo changed > /var/www/html/index.html"])
      #expect(try await scene.fetch(port) == "changed\n")
      let pages = Mount(kind: .volume, target: "/var/www/html", source: "pages")
      let second = try await run("site") { $0.mounts = [pages] }
      #expect(try await scene.fetch(second).contains("Welcome to nginx!"))
      _ = try await scene.service.run("nginx:1", ["sh", "-c", "echo two > /pages/index.html"]) {
        $0.mounts = [Mount(kind: .volume, target: "/pages", source: "pages")]
        $0.autoRemove = true
      }
      #expect(try await scene.fetch(second) == "two\n")

      // Two that talk by name.
      let talk = try await scene.service.exec(
        "site",
        ["bash", "-c", "exec 3<>/dev/tcp/web/80; printf 'GET /named HTTP/1.0\\r\\n\\r\\n' >&3; head -1 <&3"])
      #expect(talk.stdout.contains("404"))

      let exit = try await scene.service.send(ContainerStop.self, .init(container: "web", timeoutMs: 120_000))
        .exit
      #expect(exit.code == 0 && exit.signal == nil)
      let log = try await following.value
      #expect(log.contains("GET / ") && log.contains("GET /named"))
      // Who was elsewhere is in the log under the own address.
      #expect(log.split(separator: "\n").contains { $0.contains("192.0.2.2 ") }, "\(log)")
      #expect(try await !scene.listens(port))

      // A new one has the image's page again, and the volume's where it has that.
      let fresh = try await run("fresh")
      #expect(try await scene.fetch(fresh).contains("Welcome to nginx!"))
      _ = try await scene.service.send(ContainerRemove.self, .init(container: "site", force: true))
      let again = try await run("again") { $0.mounts = [pages] }
      #expect(try await scene.fetch(again) == "two\n")
    }
  }
}

/// A root file system with Debian's nginx, which is made once and kept beside what is built.
enum NginxRoot {
  private static var package: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
  }

  static var example: String { package.appending(path: "demo/nginx").path(percentEncoded: false) }

  static func archive() async throws -> FilePath {
    let archive = FilePath(package.appending(path: ".build/nginx-root.tar").path(percentEncoded: false))
    let lock = try await FileLock.acquire(FilePath(archive.string + ".lock"))
    defer { lock.release() }
    let made = try await ChildProcess.run([example + "/root", archive.string])
    guard made.succeeded else { throw TestFailure("cannot make a root with nginx: \(made.errorText)") }
    return archive
  }
}
