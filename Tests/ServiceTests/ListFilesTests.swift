import RPCModel
import TestSupport
import Testing

@Suite("Files in containers, listed")
struct ListFilesTests {
  @Test(
    "a directory of a container, as it is seen in it: of one that runs, has ended, or was never started",
    arguments: Account.available)
  func directory(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      _ = try await service.send(VolumeCreate.self, .init(name: "data"))
      let script =
        "mkdir /d; cd /d; touch a b; mkdir c; ln -s c leads; ln -s nowhere lost; mkfifo f; touch /data/x"
      let mounts = [Mount(kind: .volume, target: "/data", source: "data")]
      _ = try await service.run(["sh", "-c", "ln -s busybox /bin/mkfifo; " + script]) {
        $0.name = "ended"
        $0.mounts = mounts
      }
      _ = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "fresh", command: ["true"], mounts: mounts))
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "running",
          command: ["sh", "-c", "ln -s busybox /bin/mkfifo; \(script); echo; exec sleep 1000"],
          mounts: mounts,
          detach: true))
      _ = try await service.send(
        ContainerWait.self, .init(container: "running", until: .init(condition: .logMatch, pattern: "")))
      func list(_ container: String, _ path: String, _ prefix: String? = nil) async throws -> [String] {
        let answer = try await service.send(
          ContainerListFiles.self, .init(container: container, path: path, prefix: prefix))
        #expect(answer.more == nil)
        return answer.files.map { "\($0.name) \($0.kind.rawValue)\($0.directory ? "/" : "")" }
      }
      for name in ["ended", "running"] {
        let all = try await list(name, "/d")
        #expect(
          all == ["a file", "b file", "c directory/", "f other", "leads link/", "lost link"], "\(name)")
        #expect(try await list(name, "/d", "le") == ["leads link/"])
        #expect(try await list(name, "/d/leads/../c").isEmpty)
      }
      for name in ["ended", "running", "fresh"] { #expect(try await list(name, "/data") == ["x file"]) }
      #expect(try await list("fresh", "/", "et") == ["etc directory/"])
      for (path, kind) in [
        ("/none", ErrorKind.notFound), ("/etc/passwd", .notFound), ("etc", .invalidArgument),
      ] {
        await service.expect(kind, of: ContainerListFiles.self, .init(container: "fresh", path: path))
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "running", force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test("links lead nowhere out of the container, and a crowd of files is cut off")
  func hostile() async throws {
    try await withTestStore(try #require(Account.available.first)) { store in
      let service = try await store.service()
      let secret = "coracle-secret-\(UInt32.random(in: 0 ... .max))"
      _ = try await service.importBusybox(store)
      try store.directory.appending(secret).write("".utf8)
      let script = """
        ln -s \(store.directory) /out; ln -s ../../../../../..\(store.directory) /up; mkdir /crowd; cd /crowd
        i=0; while [ $i -lt 10001 ]; do echo $i; i=$((i+1)); done | busybox xargs touch
        """
      _ = try await service.run(["sh", "-c", "ln -s busybox /bin/xargs; \(script)"]) { $0.name = "ended" }
      for path in ["/out", "/up"] {
        await service.expect(.notFound, of: ContainerListFiles.self, .init(container: "ended", path: path))
      }
      let crowd = try await service.send(ContainerListFiles.self, .init(container: "ended", path: "/crowd"))
      #expect(crowd.files.count == 10_000 && crowd.more == true)
      let some = try await service.send(
        ContainerListFiles.self, .init(container: "ended", path: "/crowd", prefix: "1000"))
      #expect(some.files.map(\.name) == ["1000", "10000"] && some.more == nil)
      #expect(await service.stop() == 0)
    }
  }
}
