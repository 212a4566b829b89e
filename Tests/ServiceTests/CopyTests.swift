import Glibc
import LinuxSystem
import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("Copying files in and out of containers")
struct CopyTests {
  private func withContainers(
    _ account: Account,
    _ body: @Sendable (TestStore, TestService, _ running: String, _ stopped: String) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.send(
        ImageImport.self,
        .init(
          path: try await store.busyboxArchive(
            "ln -s busybox bin/stat; ln -s busybox bin/mv; mkdir -p srv/site data; ln -s /data srv/link; echo old > srv/site/old"
          ).string, reference: "busybox:1"))
      let running = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "runs", command: ["sleep", "1000"], detach: true)
      ).container
      let stopped = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "stopped", command: ["sh", "-c", "sleep 1000"])
      ).container
      try await body(store, service, running.name, stopped.name)
      for name in [running.name, stopped.name] {
        _ = try await service.send(ContainerRemove.self, .init(container: name, force: true))
      }
      #expect(await service.stop() == 0)
    }
  }

  /// A directory of the account's with a file, a directory, a link and a set-id program.
  private func site(_ store: TestStore) async throws -> FilePath {
    let path = store.directory.appending("site")
    let made = try await ChildProcess.run(
      store.account.launcher + [
        "sh", "-c",
        "mkdir -p $1/sub && echo page > $1/index && echo deep > $1/sub/deep && ln -s index $1/link && chmod 4755 $1/index",
        "sh", path.string,
      ])
    #expect(made.succeeded, "\(made.errorText)")
    return path
  }

  @Test(
    "a directory goes in by Docker's rules, running or not, and belongs to the container's root",
    arguments: Account.available)
  func directories(account: Account) async throws {
    try await withContainers(account) { store, service, running, stopped in
      let site = try await site(store)
      for container in [running, stopped] {
        // Into a directory that is there, onto a name that is not, and what is in it alone.
        for (source, target) in [
          (site.string, "/srv"), (site.string, "/srv/new"), (site.string + "/.", "/data"),
        ] {
          let copied = try await service.send(
            ContainerCopyTo.self, .init(container: container, target: target, path: source))
          #expect(copied.entries == (source.hasSuffix(".") ? 4 : 5))
          // The files' own: "page" and "deep" with their line ends.
          #expect(copied.bytes == 10)
        }
      }
      _ = try await service.send(ContainerStart.self, .init(container: stopped))
      for container in [running, stopped] {
        let found = try await service.exec(
          container,
          [
            "sh", "-c",
            "cat /srv/site/old /srv/site/index /srv/new/sub/deep /data/link; stat -c '%u:%g %a' /srv/new/index",
          ]
        ).stdout
        #expect(found == "old\npage\ndeep\npage\n0:0 4755\n", "\(container)")
      }
    }
  }

  @Test(
    "files come out, by path and as an archive, and are the user's own, without set-id bits",
    arguments: Account.available)
  func out(account: Account) async throws {
    try await withContainers(account) { store, service, running, stopped in
      let site = try await site(store)
      let earlier = service.notifications.all.count
      _ = try await service.send(
        ContainerCopyTo.self, .init(container: running, target: "/srv", path: site.string))
      let target = store.directory.appending("out-\(running)")
      let copied = try await service.send(
        ContainerCopyFrom.self, .init(container: running, source: "/srv/site", path: target.string))
      #expect(copied.entries == 6 && copied.bytes == 14)
      // So does its progress, without what the archive has around the files.
      let told = service.notifications.all.dropFirst(earlier).compactMap {
        if case .taskProgressed(let task) = $0 { task.done } else { nil }
      }
      #expect(told.allSatisfy { $0 <= 14 }, "\(told)")
      #expect(try target.appending("sub/deep").readAll() == Array("deep\n".utf8))
      let seen = try await ChildProcess.run(["stat", "-c", "%U %a", target.appending("index").string])
      #expect(seen.text == "\(account == .root ? "root" : "coracle-test") 755\n", "\(seen.text)")
      let followed = store.directory.appending("followed")
      _ = try await service.send(
        ContainerCopyFrom.self,
        .init(container: running, source: "/srv/site/link", path: followed.string, followLinks: true))
      #expect(try followed.readAll() == Array("page\n".utf8))

      let stream = service.process.connection.receiver(credit: 1 << 20)
      async let bytes = stream.bytes()
      _ = try await service.send(
        ContainerCopyFrom.self,
        .init(container: stopped, source: "/srv/site/.", stream: stream.id, initialCredit: 1 << 20))
      let listed = try await ChildProcess.run(["tar", "-t"], input: .bytes(await bytes))
      #expect(listed.text == "old\n", "\(listed.text)")
    }
  }

  @Test(
    "an archive comes from a stream, compressed or not, with owners kept or given",
    arguments: Account.available)
  func streams(account: Account) async throws {
    try await withContainers(account) { _, service, running, _ in
      let archive = try await ChildProcess.run([
        "sh", "-c",
        "d=$(mktemp -d); cd $d; mkdir -p a; echo x > a/.wh.x; ln a/.wh.x a/y; tar --owner 7 --group 8 -czf - a; rm -rf $d",
      ]).stdout
      for (ownership, owner) in [
        (nil, "0:0"), (CopyOwnership(keeps: true), "7:8"), (CopyOwnership(user: 1000, group: 50), "1000:50"),
      ] {
        let sender = service.process.connection.sender()
        let feeding = Task {
          _ = try await sender.send(archive)
          await sender.close()
        }
        _ = try await service.send(
          ContainerCopyTo.self,
          .init(container: running, target: "/srv/link", stream: sender.id, ownership: ownership))
        _ = await feeding.result
        // No whiteout is meant in a copy, and a link in the target is followed in the container.
        let found = try await service.exec(running, ["stat", "-c", "%n %u:%g %h", "/data/a/.wh.x"]).stdout
        #expect(found == "/data/a/.wh.x \(owner) 2\n")
      }
    }
  }

  @Test(
    "CVE-2021-41089: directories that are there keep their modes and owners, on either side",
    arguments: Account.available)
  func modes(account: Account) async throws {
    try await withContainers(account) { store, service, running, _ in
      let script =
        "mkdir -p /out/sub /in && chmod 1777 /out && chmod 777 /out/sub && echo x > /out/sub/x && chmod 700 /in"
      #expect(
        try await service.exec(running, ["sh", "-c", "ln -s busybox /bin/chmod; \(script)"]).exit.code == 0)
      let made = try await ChildProcess.run(
        account.launcher + [
          "sh", "-ec", "cd $1; mkdir -p -m 750 got got/sub; mkdir -m 777 put", "sh", store.directory.string,
        ])
      #expect(made.succeeded, "\(made.errorText)")
      let before = try await ChildProcess.run(
        ["stat", "-c", "%a %u", "\(store.directory)/got", "\(store.directory)/got/sub"])
      _ = try await service.send(
        ContainerCopyFrom.self,
        .init(container: running, source: "/out/.", path: store.directory.appending("got").string))
      let after = try await ChildProcess.run(
        ["stat", "-c", "%a %u", "\(store.directory)/got", "\(store.directory)/got/sub"])
      #expect(before.text == after.text && after.text.hasPrefix("750 "))
      #expect(try store.directory.appending("got/sub/x").readAll() == Array("x\n".utf8))
      _ = try await service.send(
        ContainerCopyTo.self,
        .init(container: running, target: "/in", path: store.directory.appending("put").string + "/."))
      #expect(try await service.exec(running, ["stat", "-c", "%a %u", "/in"]).stdout == "700 0\n")
    }
  }

  @Test("a copy from a stream that brings nothing can be cancelled", arguments: Account.available)
  func cancelled(account: Account) async throws {
    try await withContainers(account) { _, service, running, _ in
      let sender = service.process.connection.sender()
      let copying = Task {
        try await service.send(
          ContainerCopyTo.self, .init(container: running, target: "/srv/link", stream: sender.id))
      }
      await service.notifications.wait { all in
        all.contains {
          if case .taskStarted(let task) = $0 { task.title.hasPrefix("copy to") } else { false }
        }
      }
      copying.cancel()
      let error = await #expect(throws: RPCError.self) { try await copying.value }
      #expect(error?.code == ErrorCode.requestCancelled)
    }
  }

  @Test("what cannot be is said, and changes nothing", arguments: Account.available)
  func errors(account: Account) async throws {
    try await withContainers(account) { store, service, running, stopped in
      let site = try await site(store)
      for (target, path, kind) in [
        ("/no/such", site.string, ErrorKind.notFound), ("/etc/passwd", site.string, .conflict),
        ("/srv", site.string + "/none", .notFound), ("srv", site.string, .invalidArgument),
        ("/bin/none/", site.string + "/index", .notFound),
      ] {
        let error = await #expect(throws: RPCError.self) {
          try await service.send(ContainerCopyTo.self, .init(container: running, target: target, path: path))
        }
        #expect(error?.data?.kind == kind, "\(target) \(path)")
      }
      let replaced = await #expect(throws: RPCError.self) {
        _ = try await service.send(
          ContainerCopyTo.self, .init(container: running, target: "/", path: site.string + "/sub/../../site"))
        _ = try await service.send(
          ContainerCopyFrom.self, .init(container: stopped, source: "/etc/none", path: "/tmp/none"))
      }
      #expect(replaced?.data?.kind == .notFound)
      #expect(try await service.send(ContainerDiff.self, .init(container: stopped)).changes.isEmpty)
    }
  }

  @Test(
    "CVE-2018-15664: a directory and a link to the host's exchanged in a loop lead none of 2,000 copies out",
    .requires(.root))
  func exchanged() async throws {
    try await withContainers(.root) { store, service, running, _ in
      // The host's directory of the same name, which a copy must neither read nor write.
      let outside = store.directory.appending("outside")
      try makeDirectories(outside, mode: 0o755)
      try outside.appending("secret").write("host\n".utf8)
      _ = try await service.exec(
        running,
        ["sh", "-c", "mkdir -p /swap\(outside) /real && echo inside > /real/secret && ln -s \(outside) /out"])
      let swapping = Task {
        try await service.exec(
          running,
          [
            "sh", "-c",
            "while [ ! -e /stop ]; do mv /real /spare; mv /out /real; mv /real /out; mv /spare /real; done",
          ])
      }
      let source = store.directory.appending("mine")
      try source.write("mine\n".utf8)
      for round in 0..<1000 {
        _ = try? await service.send(
          ContainerCopyTo.self, .init(container: running, target: "/real/", path: source.string))
        let target = store.directory.appending("got-\(round)")
        _ = try? await service.send(
          ContainerCopyFrom.self,
          .init(container: running, source: "/real/secret", path: target.string, followLinks: true))
        if let bytes = try? target.readAll() { #expect(bytes != Array("host\n".utf8)) }
      }
      _ = try await service.exec(running, ["touch", "/stop"])
      _ = try await swapping.value
      let names = try await ChildProcess.run(["ls", outside.string]).text
      #expect(names == "secret\n")
    }
  }

  @Test(
    "CVE-2019-14271: nothing of an image's libraries and their settings is opened by a copy",
    arguments: Account.available)
  func libraries(account: Account) async throws {
    // Whoever opens one of them to read it waits for ever.
    let traps = """
      rm etc/passwd etc/group
      for directory in lib lib64 usr/lib lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu; do
        mkdir -p $directory
        for name in libnss_files.so.2 libnss_compat.so.2 libnss_dns.so.2 libc.so.6 ld-linux-x86-64.so.2; do
          mkfifo $directory/$name
        done
      done
      for name in passwd group nsswitch.conf ld.so.preload ld.so.cache ld.so.conf localtime; do mkfifo etc/$name; done
      mkdir d; echo inside > d/f
      """
    try await withBusybox(account, traps) { store, service in
      let source = store.directory.appending("mine")
      try source.write("mine\n".utf8)
      for name in ["stopped", "running"] {
        _ = try await service.send(
          ContainerCreate.self,
          .init(image: "busybox:1", name: name, command: ["sleep", "1000"], user: "0:0"))
        if name == "running" { _ = try await service.send(ContainerStart.self, .init(container: name)) }
        for ownership in [nil, CopyOwnership(keeps: true), CopyOwnership(user: 1000, group: 50)] {
          _ = try await service.send(
            ContainerCopyTo.self,
            .init(container: name, target: "/etc/", path: source.string, ownership: ownership))
          let target = store.directory.appending("out-\(name)")
          // The FIFOs themselves are copied as what they are.
          _ = try await service.send(
            ContainerCopyFrom.self,
            .init(container: name, source: "/etc", path: target.string, ownership: ownership))
          #expect(try target.appending("mine").readAll() == Array("mine\n".utf8))
          #expect(fileKind(target.appending("nsswitch.conf")) == .fifo)
          try removeTree(target)
        }
        _ = try await service.send(ContainerRemove.self, .init(container: name, force: true))
      }
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "a link that is followed leads where it leads in the container, also from a directory behind a link",
    arguments: Account.available)
  func linksBehindLinks(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(
        store,
        """
        mkdir -p run var/etc srv; ln -s /run var/run; echo right > etc/motd; echo wrong > var/etc/motd
        ln -s ../etc/motd run/relative; ln -s /var/run/relative run/absolute; ln -s .. run/above; echo deep > run/file
        ln -s /var/run/.. srv/up
        """)
      let id = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "links", command: ["true"])
      ).container.id
      for (number, name) in ["relative", "absolute"].enumerated() {
        let target = store.directory.appending("got\(number)")
        _ = try await service.send(
          ContainerCopyFrom.self,
          .init(container: id, source: "/var/run/\(name)", path: target.string, followLinks: true))
        #expect(try target.readAll() == Array("right\n".utf8), "\(name)")
      }
      // Nothing is above the root.
      for (number, source) in ["/var/run/above", "/srv/up"].enumerated() {
        let target = store.directory.appending("root\(number)")
        _ = try await service.send(
          ContainerCopyFrom.self,
          .init(container: id, source: source, path: target.string, followLinks: true))
        #expect(try target.appending("run/file").readAll() == Array("deep\n".utf8), "\(source)")
      }
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "a client that stalls in a copy holds nobody up for ever: others are told, and what they ask for can be cancelled",
    .requires(.root))
  func stalled() async throws {
    try await withContainers(.root) { store, service, _, stopped in
      let other = try await store.service("other")
      let out = service.process.connection.receiver(credit: 10)
      let copy = Task {
        try await service.send(
          ContainerCopyFrom.self,
          .init(container: stopped, source: "/bin", stream: out.id, initialCredit: 10))
      }
      for await chunk in out.chunks where !chunk.isEmpty { break }
      async let started = Self.refusal {
        try await other.send(ContainerStart.self, .init(container: stopped))
      }
      async let removed = Self.refusal {
        try await other.send(ContainerRemove.self, .init(container: stopped, force: true))
      }
      async let restarted = Self.refusal {
        try await other.send(ContainerRestart.self, .init(container: stopped))
      }
      let late = Task { try await other.send(ContainerStart.self, .init(container: stopped)) }
      late.cancel()
      for error in [await started, await removed, await restarted] {
        #expect(error?.data?.kind == .inUse && error?.data?.hint != nil)
      }
      let kind = await Self.refusal { try await late.value }?.data?.kind
      #expect(kind == .cancelled)
      copy.cancel()
      #expect(await Self.refusal { try await copy.value }?.data?.kind == .cancelled)
      _ = try await other.send(ContainerStart.self, .init(container: stopped))
      #expect(await other.stop() == 0)
    }
  }

  private static func refusal<Result: Sendable>(_ body: @Sendable () async throws -> Result) async
    -> RPCError?
  {
    do {
      _ = try await body()
      return nil
    } catch {
      return error as? RPCError
    }
  }
}
