import Foundation
import Glibc
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Volumes")
struct VolumeTests {
  private let site =
    "mkdir -p srv/site/deep srv/owned; echo page > srv/site/index; echo d > srv/site/deep/file; ln -s index srv/site/link; ln srv/site/index srv/site/hard; chmod 750 srv/site; chmod 700 srv/owned; ln -s srv/site www; echo x > srv/file"

  private func volume(_ target: String, _ name: String? = nil, readOnly: Bool? = nil) -> Mount {
    Mount(kind: .volume, target: target, source: name, readOnly: readOnly)
  }

  /// Makes an image of two layers that has the name of the one: archives for tests have no owners but root.
  private func giveOwners(_ service: TestService) async throws {
    _ = try await service.run(["busybox", "chown", "1000:50", "/srv/site/deep", "/srv/owned"]) {
      $0.name = "maker"
    }
    _ = try await service.send(ContainerCommit.self, .init(container: "maker", reference: "busybox:1"))
    _ = try await service.send(ContainerRemove.self, .init(container: "maker"))
  }

  private func list(_ service: TestService) async throws -> [RPCModel.VolumeSummary] {
    try await service.send(VolumeList.self, .init()).volumes
  }

  private func failure(_ body: () async throws -> Void) async -> RPCError? {
    do {
      try await body()
      return nil
    } catch {
      return error as? RPCError
    }
  }

  @Test(
    "is made with the image's content and owners, seen by the next container, and kept when both are gone",
    arguments: Account.available)
  func firstUse(account: Account) async throws {
    try await withBusybox(account, site) { _, service in
      try await giveOwners(service)
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["volume."]))
      let script =
        "busybox stat -c '%U:%g %a %h %n' . deep index; cat link; echo new > added; busybox find . | wc -l"
      let first = try await service.run(["sh", "-c", "cd /srv/site; " + script]) {
        $0.mounts = [volume("/srv/site", "data")]
        $0.name = "first"
      }
      #expect(
        first.stdout == "root:0 750 3 .\nuser:50 755 2 deep\nroot:0 644 2 index\npage\n7\n",
        "\(first.stderr)")
      #expect(await service.notifications.event("volume.created", subject: "data") != nil)
      #expect(await service.notifications.event("volume.filled", subject: "data") != nil)
      // The second one has another place for it, where its image has files of its own.
      let second = try await service.run([
        "sh", "-c", "cat /srv/owned/index /srv/owned/added; rm /srv/owned/index",
      ]) {
        $0.mounts = [volume("/srv/owned/", "data")]
        $0.name = "second"
      }
      #expect(second.stdout == "page\nnew\n", "\(second.stderr)")
      for (container, target) in [("first", "/srv/site"), ("second", "/srv/owned")] {
        let used = try await service.send(ContainerInspect.self, .init(container: container)).volumes
        #expect(used?.map(\.volume) == ["data"] && used?.first?.target == target)
        // What is in it is the volume's alone.
        let changes = try await service.send(ContainerDiff.self, .init(container: container)).changes
        #expect(changes.isEmpty, "\(changes)")
      }
      #expect(try await list(service).map(\.containers) == [["first", "second"]])
      for container in ["first", "second"] {
        _ = try await service.send(ContainerRemove.self, .init(container: container, volumes: true))
      }
      #expect(try await list(service).map(\.containers) == [[]])
      // It is not empty, so the image's file does not come back.
      let third = try await service.run(["sh", "-c", "cat /v/added; ls /v/index || echo gone"]) {
        $0.mounts = [volume("/v", "data")]
        $0.autoRemove = true
      }
      #expect(third.stdout == "new\ngone\n")
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "CVE-2022-23648: a volume of an image's that leads out of it is filled with nothing of the host's",
    arguments: Account.available)
  func outwardVolume(account: Account) async throws {
    try await withBusybox(account, "mkdir -p inner/sub; echo image > inner/sub/file") { store, service in
      let outside = store.directory.appending("outside")
      try FileManager.default.createDirectory(atPath: outside.string, withIntermediateDirectories: true)
      try outside.appending("secret").write("host\n".utf8)
      let up = String(repeating: "/..", count: 12)
      let made = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "made", command: ["true"]))
      _ = try await service.send(
        ContainerCommit.self,
        .init(
          container: made.container.id, reference: "out:1",
          changes: .init(volumes: ["\(up)\(outside)", "/inner\(up)\(outside)/x", "/inner/sub/../sub"])))
      let look = "find / -xdev -name secret; ls -A \(outside); cat /inner/sub/file"
      for read in [look, "cat \(outside)/secret; \(look)"] {
        let run = try await service.run("out:1", ["sh", "-c", read])
        #expect(run.stdout == "x\nimage\n", "\(run.stdout) \(run.stderr)")
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: outside.string) == ["secret"])
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "the image's own volumes, anonymous ones, and what goes with a container", arguments: Account.available)
  func anonymous(account: Account) async throws {
    try await withBusybox(account, "mkdir -p data/sub cache named; echo image > data/file") {
      store, service in
      let made = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "made", command: ["true"]))
      _ = try await service.send(
        ContainerCommit.self,
        .init(
          container: made.container.id, reference: "vol:1",
          changes: .init(volumes: ["/data", "cache/", "/named"])))
      _ = try await service.send(ContainerRemove.self, .init(container: "made"))
      let run = try await service.run(
        "vol:1", ["sh", "-c", "cat /data/file; echo x > /data/new; echo y > /cache/y; ls /named"]
      ) {
        $0.name = "one"
        $0.mounts = [volume("/named", "named"), volume("/mine")]
      }
      #expect(run.stdout == "image\n", "\(run.stderr)")
      let used = try await service.send(ContainerInspect.self, .init(container: "one")).volumes ?? []
      #expect(used.map(\.target).sorted() == ["/cache", "/data", "/mine", "/named"])
      #expect(used.filter(\.anonymous).count == 3)
      #expect(try await list(service).count == 4)
      // Started again, it has the same ones.
      _ = try await service.send(ContainerStart.self, .init(container: "one"))
      _ = try await service.send(ContainerWait.self, .init(container: "one"))
      #expect(try await list(service).count == 4)
      // One that another container uses as well stays, whoever made it.
      let shared = try #require(used.first { $0.target == "/data" }?.volume)
      _ = try await service.send(
        ContainerCreate.self,
        .init(image: "busybox:1", name: "two", command: ["cat", "/x/new"], mounts: [volume("/x", shared)]))
      _ = try await service.send(ContainerRemove.self, .init(container: "one", volumes: true))
      #expect(Set(try await list(service).map(\.name)) == ["named", shared])
      // Without the word for it, they stay.
      _ = try await service.run("vol:1", ["true"]) { $0.name = "three" }
      _ = try await service.send(ContainerRemove.self, .init(container: "three"))
      #expect(try await list(service).count == 5)
      // And where a container goes when it exits, they go with it; also where it cannot be started.
      _ = try await service.run("vol:1", ["true"]) { $0.autoRemove = true }
      let missing = await failure { _ = try await service.run("vol:1", ["nothing"]) { $0.autoRemove = true } }
      #expect(missing?.data?.kind == .notFound)
      let refused = await failure {
        _ = try await service.run("vol:1", ["true"]) {
          $0.mounts = [volume("/x", "named"), volume("/x/", "named")]
        }
      }
      #expect(refused?.data?.kind == .invalidArgument)
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["container."]))
      let detached = try await service.send(
        ContainerRun.self, .init(image: "vol:1", command: ["true"], autoRemove: true, detach: true))
      #expect(
        await service.notifications.event("container.removed", subject: detached.container.id) != nil)
      let names = try await list(service).filter { $0.containers.isEmpty && $0.anonymous }
      #expect(names.count == 3)
      #expect(await service.stop() == 0)
      // What the one that is gone has not come to is left to the next one.
      let next = try await store.service("next")
      let plan = try await next.send(SystemPrune.self, .init(kinds: [.remains]))
      _ = try await next.send(SystemPrune.self, .init(kinds: [.remains], apply: plan.items.map(\.id)))
      #expect(await next.stop() == 0)
      let left = try FileManager.default.contentsOfDirectory(atPath: store.store.appending("volumes").string)
      #expect(left.count == 5, "\(left)")
    }
  }

  @Test("read-only, parts of a volume and of a bind, and links that lead out", arguments: Account.available)
  func subpaths(account: Account) async throws {
    try await withBusybox(account) { store, service in
      let fill =
        "mkdir -p /v/a/b; echo deep > /v/a/b/f; echo one > /v/one; ln -s /etc /v/out; ln -s ../.. /v/a/up; ln -s a/b /v/in"
      _ = try await service.run(["sh", "-c", fill]) {
        $0.mounts = [volume("/v", "data")]
        $0.autoRemove = true
      }
      var parts = volume("/p", "data", readOnly: true)
      parts.subpath = "/a/b/"
      var file = volume("/file", "data")
      file.subpath = "one"
      var link = volume("/link", "data")
      link.subpath = "in"
      let seen = try await service.run([
        "sh", "-c", "cat /p/f /file /link/f; touch /p/x || echo ro; echo two > /file",
      ]) {
        $0.mounts = [parts, file, link]
        $0.name = "parts"
      }
      #expect(seen.stdout == "deep\none\ndeep\nro\n", "\(seen.stderr)")
      let directory = store.directory.appending("shared")
      let made = try await ChildProcess.run(
        account.launcher + [
          "sh", "-ec", "mkdir -p \(directory)/sub; echo s > \(directory)/sub/f; ln -s /etc \(directory)/out",
        ])
      #expect(made.succeeded)
      let bound = try await service.run(["cat", "/s/f"]) {
        $0.mounts = [Mount(kind: .bind, target: "/s", source: directory.string, subpath: "sub")]
      }
      #expect(bound.stdout == "s\n")
      for (subpath, kind) in [
        ("out", ErrorKind.invalidArgument), ("a/up/up", .invalidArgument), ("a/up", .invalidArgument),
        ("none", .notFound),
        ("../data", .invalidArgument), ("/", .invalidArgument), ("a/../..", .invalidArgument),
      ] {
        var mount = volume("/x", "data")
        mount.subpath = subpath
        let error = await failure { [mount] in _ = try await service.run(["true"]) { $0.mounts = [mount] } }
        #expect(error?.data?.kind == kind, "\(subpath) \(error?.message ?? "")")
        #expect(error?.data?.hint != nil, "\(subpath) \(error?.message ?? "")")
      }
      let outside = await failure {
        _ = try await service.run(["true"]) {
          $0.mounts = [Mount(kind: .bind, target: "/s", source: directory.string, subpath: "out")]
        }
      }
      #expect(outside?.data?.kind == .invalidArgument)
      // One that becomes a link out after the container was made is not followed by its next start either.
      _ = try await service.run(["sh", "-c", "rm -r /v/a/b; ln -s /etc /v/a/b"]) {
        $0.mounts = [volume("/v", "data")]
        $0.autoRemove = true
      }
      let later = await failure { _ = try await service.send(ContainerStart.self, .init(container: "parts")) }
      #expect(later?.data?.kind == .invalidArgument, "\(later?.message ?? "")")
      #expect(await service.stop() == 0)
    }
  }

  @Test("labels, in-use protection, near misses and what cannot be", arguments: Account.available)
  func errors(account: Account) async throws {
    try await withBusybox(account, site) { _, service in
      let made = try await service.send(VolumeCreate.self, .init(name: "data", labels: ["a": "1", "b": ""]))
        .volume
      #expect(made.labels == ["a": "1", "b": ""] && !made.anonymous && made.lifetime == .persistent)
      var labelled = volume("/y", "other")
      labelled.labels = ["a": "2"]
      _ = try await service.send(
        ContainerCreate.self,
        .init(image: "busybox:1", name: "user", command: ["true"], mounts: [volume("/x", "data"), labelled]))
      for (labels, names) in [
        (["a"], ["data", "other"]), (["a=2"], ["other"]), (["a=1", "b"], ["data"]), (["c"], []),
      ] {
        let found = try await service.send(VolumeList.self, .init(labels: labels)).volumes.map(\.name)
        #expect(found == names, "\(labels)")
      }
      let inUse = await failure { _ = try await service.send(VolumeRemove.self, .init(volume: "data")) }
      #expect(inUse?.data?.kind == .inUse && inUse?.message.contains("user") == true)
      let unlike = await failure { _ = try await service.send(VolumeInspect.self, .init(volume: "nothing")) }
      #expect(unlike?.data?.kind == .notFound)
      let nobody = await failure { _ = try await service.send(ContainerStart.self, .init(container: "nope")) }
      #expect(nobody?.data?.kind == .notFound)
      var subpath = volume("/x")
      subpath.subpath = "deep"
      var sized = volume("/x", "data")
      sized.sizeBytes = 4096
      for mounts in [
        [volume("/x", "data"), volume("/x/", "other")], [subpath], [sized],
        [Mount(kind: .bind, target: "/x", source: "srv")],
        [Mount(kind: .tmpfs, target: "/x", source: "/srv")],
        [Mount(kind: .bind, target: "/x", source: "/srv", sizeBytes: 4096)],
      ] {
        let error = await failure { _ = try await service.run(["true"]) { $0.mounts = mounts } }
        #expect(
          error?.data?.kind == .invalidArgument && error?.data?.hint != nil,
          "\(mounts): \(error?.message ?? "")")
      }
      for error in [inUse, unlike, nobody] { #expect(error?.data?.hint != nil, "\(error?.message ?? "")") }
      let miss = await failure { _ = try await service.send(VolumeInspect.self, .init(volume: "dta")) }
      #expect(miss?.data?.kind == .notFound && miss?.data?.hint == "did you mean data?")
      let twice = await failure { _ = try await service.send(VolumeCreate.self, .init(name: "data")) }
      #expect(twice?.data?.kind == .alreadyExists)
      for name in ["a/b", "..", ".x", "", String(repeating: "a", count: 129), "-x", "a b"] {
        let error = await failure { _ = try await service.send(VolumeCreate.self, .init(name: name)) }
        #expect(error?.data?.kind == .invalidArgument && error?.data?.hint != nil, "\(name)")
        let used = await failure { _ = try await service.run(["true"]) { $0.mounts = [volume("/x", name)] } }
        #expect(used?.data?.kind == .invalidArgument && used?.data?.hint != nil, "\(name)")
      }
      for target in ["/", "x", "/proc", "/proc/sys"] {
        let error = await failure {
          _ = try await service.run(["true"]) { $0.mounts = [volume(target, "new")] }
        }
        #expect(error?.data?.kind == .invalidArgument && error?.data?.hint != nil, "\(target)")
      }
      // A file of the image's is no place for a volume; and nothing was made for what could not be.
      let file = await failure {
        _ = try await service.run(["true"]) { $0.mounts = [volume("/srv/file", "new")] }
      }
      #expect(file?.data?.kind == .invalidArgument, "\(file?.message ?? "")")
      #expect(try await list(service).map(\.name) == ["data", "other"])
      _ = try await service.send(ContainerRemove.self, .init(container: "user"))
      _ = try await service.send(VolumeRemove.self, .init(volume: "data"))
      #expect(try await list(service).map(\.name) == ["other"])
      // Not copied where nobody wants that; through a link of the image's, where somebody does.
      var plain = volume("/srv/site", "plain")
      plain.copiesContent = false
      let empty = try await service.run(["ls", "/srv/site"]) { [plain] in $0.mounts = [plain] }
      #expect(empty.stdout.isEmpty)
      let linked = try await service.run(["cat", "/www/index"]) { $0.mounts = [volume("/www", "linked")] }
      #expect(linked.stdout == "page\n", "\(linked.stderr)")
      // An empty one is filled by the first that has something, also where it is used.
      let filled = try await service.run(["cat", "/srv/site/index"]) {
        $0.mounts = [volume("/srv/site", "plain")]
      }
      #expect(filled.stdout == "page\n")
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "out as an archive and in again: owners, attributes and all, by path and by stream",
    arguments: Account.available)
  func archives(account: Account) async throws {
    try await withBusybox(account) { store, service in
      let fill =
        "cd /v; chmod 751 .; busybox chown 7:8 .; mkdir d; echo x > d/f; ln d/f d/g; ln -s d l; chmod 4755 d/f; busybox chown 3:4 d; busybox mkfifo p; touch .wh.x"
      _ = try await service.run(["sh", "-c", fill]) {
        $0.mounts = [volume("/v", "data")]; $0.autoRemove = true
      }
      let archive = store.directory.appending("volume.tar")
      let written = try await service.send(VolumeExport.self, .init(volume: "data", path: archive.string))
      #expect(try archive.readAll().count == written.bytes)
      let imported = try await service.send(VolumeImport.self, .init(name: "copy", path: archive.string))
      #expect(imported.entries == 7 && imported.warnings == nil)
      let stream = service.process.connection.receiver(credit: 1 << 20)
      async let bytes = stream.bytes()
      _ = try await service.send(
        VolumeExport.self, .init(volume: "copy", stream: stream.id, initialCredit: 1 << 20))
      let streamed = await bytes
      #expect(streamed == (try archive.readAll()), "the same tree, the same bytes")
      // Into one that is there and empty, from a stream, compressed.
      _ = try await service.send(VolumeCreate.self, .init(name: "empty", labels: ["a": "b"]))
      let compressed = try await ChildProcess.run(["gzip", "-c"], input: .bytes(streamed)).stdout
      let sender = service.process.connection.sender()
      let feeding = Task {
        _ = try await sender.send(compressed)
        await sender.close()
      }
      let filled = try await service.send(VolumeImport.self, .init(name: "empty", stream: sender.id))
      _ = await feeding.result
      #expect(filled.volume.labels == ["a": "b"])
      let seen = try await service.run(
        ["sh", "-c", "cd /v; busybox stat -c '%u:%g %a %h %n' . d d/f l p .wh.x | busybox sort; cat l/g"]
      ) { $0.mounts = [volume("/v", "empty")] }
      #expect(
        seen.stdout
          == "0:0 4755 2 d/f\n0:0 644 1 .wh.x\n0:0 644 1 p\n0:0 777 1 l\n3:4 755 2 d\n7:8 751 3 .\nx\n",
        "\(seen.stdout)\(seen.stderr)")
      for (name, source, kind) in [
        ("copy", archive.string, ErrorKind.conflict), ("new", "/nowhere/x", .notFound),
        ("new", "/etc/passwd", .corrupt),
      ] {
        let error = await failure {
          _ = try await service.send(VolumeImport.self, .init(name: name, path: source))
        }
        #expect(error?.data?.kind == kind, "\(name) \(error as Any)")
      }
      #expect(try await list(service).map(\.name) == ["copy", "data", "empty"])
      #expect(await service.stop() == 0)
      let staged = try FileManager.default.contentsOfDirectory(
        atPath: store.store.appending("staging").string)
      #expect(staged.isEmpty, "\(staged)")
    }
  }

  @Test("two services that make the same one at once both get it, filled once", arguments: Account.available)
  func race(account: Account) async throws {
    try await withBusybox(account, site) { store, service in
      let other = try await store.service("other")
      for round in 0..<5 {
        let name = "race\(round)"
        let outputs = try await withThrowingTaskGroup(of: String.self) { group in
          for each in [service, other, service, other] {
            group.addTask {
              try await each.run(["sh", "-c", "busybox find /srv/site | wc -l; cat /srv/site/deep/file"]) {
                $0.mounts = [Mount(kind: .volume, target: "/srv/site", source: name)]
                $0.autoRemove = true
              }.stdout
            }
          }
          return try await group.reduce(into: [String]()) { $0.append($1) }
        }
        #expect(outputs == Array(repeating: "6\nd\n", count: 4))
        let created = await withTaskGroup(of: ErrorKind?.self) { group in
          for each in [service, other] {
            group.addTask {
              await failure { _ = try await each.send(VolumeCreate.self, .init(name: "made\(round)")) }?.data?
                .kind
            }
          }
          return await group.reduce(into: [ErrorKind?]()) { $0.append($1) }
        }
        #expect(created.count { $0 == nil } == 1 && created.contains(.alreadyExists))
      }
      #expect(await other.stop() == 0)
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "a client that goes while one that others use is filled leaves all or nothing of it, and the next one has all",
    arguments: Account.available)
  func filledInUse(account: Account) async throws {
    let many = "mkdir many; seq 3000 | while read n; do echo $n > many/$n; done"
    try await withBusybox(account, many) { store, service in
      var plain = volume("/many", "data")
      plain.copiesContent = false
      _ = try await service.send(
        ContainerCreate.self,
        .init(image: "busybox:1", name: "user", command: ["ls", "/many"], mounts: [plain]))
      let path = try #require(try await list(service).first?.path)
      let leaving = try await store.service("leaving")
      let mounts = [volume("/many", "data")]
      let request = Task {
        _ = try await leaving.send(
          ContainerCreate.self,
          .init(image: "busybox:1", name: "gone", command: ["true"], mounts: mounts))
      }
      #expect(await leaving.stop() == 0)
      _ = await request.result
      let left = try FileManager.default.contentsOfDirectory(atPath: path).count
      #expect(left == 0 || left == 3000, "\(left)")
      let next = try await service.run(["sh", "-c", "ls /many | wc -l"]) { $0.mounts = mounts }
      #expect(next.stdout == "3000\n", "\(next.stderr)")
      #expect(await service.stop() == 0)
    }
  }

  @Test("with the session: when it ends, and when its service is killed", arguments: Account.available)
  func session(account: Account) async throws {
    try await withBusybox(account) { store, watcher in
      _ = try await watcher.send(EventSubscribe.self, .init(kinds: ["volume."]))
      let first = try await store.service("first")
      _ = try await first.send(VolumeCreate.self, .init(name: "ends", lifetime: .session))
      _ = try await first.send(VolumeCreate.self, .init(name: "stays"))
      _ = try await first.send(VolumeCreate.self, .init(name: "used", lifetime: .session))
      _ = try await first.send(
        ContainerCreate.self,
        .init(image: "busybox:1", name: "keeper", command: ["true"], mounts: [volume("/x", "used")]))
      #expect(await first.stop() == 0)
      #expect(try await list(watcher).map(\.name) == ["stays", "used"])
      _ = try await watcher.send(ContainerRemove.self, .init(container: "keeper"))
      let second = try await store.service("second")
      #expect(await watcher.notifications.event("volume.removed", subject: "used") != nil)
      _ = try await second.send(VolumeCreate.self, .init(name: "killed", lifetime: .session))
      second.process.kill(SIGKILL)
      #expect(await second.process.waitForExit() == 128 + SIGKILL)
      let third = try await store.service("third")
      #expect(await watcher.notifications.event("volume.removed", subject: "killed") != nil)
      #expect(try await list(third).map(\.name) == ["stays"])
      for service in [watcher, third] { #expect(await service.stop() == 0) }
    }
  }

  @Test("disk usage counts them, prune takes them only where it is told to", arguments: Account.available)
  func store(account: Account) async throws {
    try await withBusybox(account) { store, service in
      for name in ["used", "unused"] {
        _ = try await service.run(["sh", "-c", "head -c 100000 /dev/zero > /v/f; mkdir /a/x"]) {
          $0.name = name
          $0.mounts = [volume("/v", name), volume("/a")]
        }
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "unused"))
      let usage = try await service.send(SystemDiskUsage.self, .init())
      let du = try await ChildProcess.run(["du", "-s", "--block-size=1", store.store.string])
      #expect(usage.totalBytes == du.text.split(separator: "\t").first.flatMap { Int($0) })
      #expect(usage.volumes.volumes.count == 4)
      #expect(usage.volumes.bytes == usage.volumes.volumes.reduce(0) { $0 + $1.bytes })
      #expect(
        usage.volumes.bytes > usage.volumes.reclaimableBytes && usage.volumes.reclaimableBytes > 100_000)
      let inspected = try await service.send(VolumeInspect.self, .init(volume: "used"))
      #expect(inspected.bytes == usage.volumes.volumes.first { $0.name == "used" }?.bytes)
      let all = try await service.send(SystemPrune.self, .init())
      #expect(!all.items.contains { $0.kind == .volume } && all.items.contains { $0.kind == .container })
      let anonymous = try await service.send(SystemPrune.self, .init(kinds: [.volume]))
      #expect(anonymous.items.count == 1 && anonymous.items.first?.kind == .volume)
      let named = try await service.send(SystemPrune.self, .init(kinds: [.volume], namedVolumes: true))
      #expect(named.items.contains { $0.name == "unused" } && named.items.count == 2)
      let young = try await service.send(
        SystemPrune.self, .init(kinds: [.volume], namedVolumes: true, unusedForMs: 3_600_000))
      #expect(young.items.isEmpty)
      let done = try await service.send(
        SystemPrune.self,
        .init(kinds: [.volume], namedVolumes: true, apply: named.items.map(\.id) + ["volume:used"]))
      #expect(done.items.map(\.outcome) == [.removed, .removed, .kept])
      #expect(try await list(service).contains { $0.name == "used" })
      let after = try await service.send(SystemDiskUsage.self, .init())
      #expect(usage.volumes.bytes - after.volumes.bytes == done.bytes && done.bytes > 100_000)
      #expect(await service.stop() == 0)
    }
  }

  @Test("a container that its policy starts again has them still", arguments: Account.available)
  func restarts(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let script = "echo x >> /v/runs; [ $(wc -l < /v/runs) -ge 3 ] && exit 0; exit 1"
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "again", command: ["sh", "-c", script],
          restart: RestartPolicy(kind: .onFailure), mounts: [volume("/v", "data")], detach: true))
      let exit = try await service.send(ContainerWait.self, .init(container: "again")).exit
      #expect(exit?.code == 0)
      let runs = try await service.run(["cat", "/v/runs"]) { $0.mounts = [volume("/v", "data")] }
      #expect(runs.stdout == "x\nx\nx\n")
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "containers with user ids of their own share it, and its files keep their ids on the disk",
    .requires(.root))
  func mapped() async throws {
    try await withBusybox(.root, site) { _, service in
      try await giveOwners(service)
      for _ in 0..<2 {
        let seen = try await service.run([
          "sh", "-c",
          "cd /srv/site; busybox stat -c '%u:%g' . deep index; touch mine-$HOSTNAME; busybox chown 5:6 mine-*; busybox stat -c '%u:%g' mine-$HOSTNAME",
        ]) {
          $0.mounts = [volume("/srv/site", "data")]
          $0.userNamespace = .auto
        }
        #expect(seen.stdout == "0:0\n1000:50\n0:0\n5:6\n", "\(seen.stderr)")
      }
      let path = try #require(try await list(service).first?.path)
      let owners = try await ChildProcess.run(["sh", "-c", "cd \(path); stat -c '%u:%g' . deep mine-*"])
      #expect(owners.text == "0:0\n1000:50\n5:6\n5:6\n")
      #expect(await service.stop() == 0)
    }
  }

  @Test("what is in it is in no diff, no commit and no export", arguments: Account.available)
  func apart(account: Account) async throws {
    try await withBusybox(account, site) { store, service in
      _ = try await service.run([
        "sh", "-c", "echo secret > /srv/site/secret; echo s > /fresh/x; echo kept > /kept",
      ]) {
        $0.name = "c"
        $0.mounts = [volume("/srv/site", "data"), volume("/fresh", "fresh")]
      }
      let changes = try await service.send(ContainerDiff.self, .init(container: "c")).changes.map(\.path)
      #expect(changes == ["/kept"])
      _ = try await service.send(ContainerCommit.self, .init(container: "c", reference: "committed:1"))
      let seen = try await service.run("committed:1", ["sh", "-c", "cat /kept; ls /srv/site /fresh"])
      #expect(seen.stdout == "kept\n/srv/site:\ndeep\nhard\nindex\nlink\n", "\(seen.stdout)")
      let archive = store.directory.appending("c.tar")
      _ = try await service.send(ContainerExport.self, .init(container: "c", path: archive.string))
      let names = try await ChildProcess.run(["tar", "-tf", archive.string]).text
      #expect(names.contains("srv/site/index") && !names.contains("secret") && !names.contains("fresh/x"))
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "copies go through volumes and binds, running or not, and not into read-only ones",
    arguments: Account.available)
  func copies(account: Account) async throws {
    try await withBusybox(account, site) { store, service in
      let bound = store.directory.appending("bound")
      let made = try await ChildProcess.run(
        account.launcher + ["sh", "-ec", "mkdir -p \(bound); echo b > \(bound)/file"])
      #expect(made.succeeded)
      let mine = store.directory.appending("mine")
      try mine.write("mine\n".utf8)
      _ = try await service.send(VolumeCreate.self, .init(name: "locked"))
      let mounts = [
        volume("/srv/site", "data"), volume("/fresh/deep", "fresh"),
        volume("/locked", "locked", readOnly: true),
        Mount(kind: .bind, target: "/bound", source: bound.string),
      ]
      _ = try await service.send(
        ContainerCreate.self,
        .init(image: "busybox:1", name: "c", command: ["sleep", "1000"], mounts: mounts))
      for state in ["stopped", "running"] {
        if state == "running" { _ = try await service.send(ContainerStart.self, .init(container: "c")) }
        for target in ["/srv/site/\(state)", "/www/link-\(state)", "/fresh/deep/\(state)", "/bound/\(state)"]
        {
          _ = try await service.send(
            ContainerCopyTo.self, .init(container: "c", target: target, path: mine.string))
        }
        let out = store.directory.appending("out-\(state)")
        _ = try await service.send(
          ContainerCopyFrom.self, .init(container: "c", source: "/srv/site/.", path: out.string))
        #expect(try out.appending(state).readAll() == Array("mine\n".utf8))
        #expect(try out.appending("index").readAll() == Array("page\n".utf8))
        let refused = await failure {
          _ = try await service.send(
            ContainerCopyTo.self, .init(container: "c", target: "/locked/x", path: mine.string))
        }
        #expect(refused != nil)
      }
      #expect(try bound.appending("stopped").readAll() == Array("mine\n".utf8))
      let seen = try await service.exec("c", ["sh", "-c", "ls /srv/site /fresh/deep /bound /locked"]).stdout
      #expect(
        seen
          == "/bound:\nfile\nrunning\nstopped\n\n/fresh/deep:\nrunning\nstopped\n\n/locked:\n\n/srv/site:\ndeep\nhard\nindex\nlink\nlink-running\nlink-stopped\nrunning\nstopped\n",
        "\(seen)")
      // Nothing of it is the container's own.
      #expect(try await service.send(ContainerDiff.self, .init(container: "c")).changes.isEmpty)
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await service.stop() == 0)
    }
  }
}
