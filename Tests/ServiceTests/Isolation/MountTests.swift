import RPCModel
import SystemPackage
import TestSupport
import Testing

@Suite("What is mounted in a container")
struct MountTests {
  private func failure(_ service: TestService, _ mount: RPCModel.Mount) async throws -> RPCError? {
    await #expect(throws: RPCError.self) { _ = try await service.run(["true"]) { $0.mounts = [mount] } }
  }

  private func kind(_ service: TestService, _ mount: RPCModel.Mount) async throws -> RPCModel.ErrorKind? {
    try await failure(service, mount)?.data?.kind
  }

  /// A directory that the account owns, with a file in it.
  private func shared(_ store: TestStore, _ account: Account) async throws -> FilePath {
    let directory = store.directory.appending("shared")
    let made = try await ChildProcess.run(
      account.launcher + ["sh", "-ec", "mkdir -p \(directory)/deep; echo text > \(directory)/file"])
    #expect(made.succeeded)
    return directory
  }

  @Test("tmpfs: size, mode and options, and what they are otherwise", arguments: Account.available)
  func tmpfs(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let script = """
        ls -ld /a /b | while read m rest; do echo $m; done; cp /bin/busybox /a/true && /a/true || echo noexec; \
        cp /bin/busybox /b/true && /b/true && echo exec; dd if=/dev/zero of=/b/y bs=1k count=4000 2>/dev/null || echo full; \
        touch /c/x || echo ro
        """
      let output = try await service.run(["busybox", "sh", "-c", script]) {
        $0.mounts = [
          .init(kind: .tmpfs, target: "/a"),
          .init(kind: .tmpfs, target: "/b", sizeBytes: 4 << 20, mode: 0o700, options: ["exec"]),
          .init(kind: .tmpfs, target: "/c", readOnly: true),
        ]
      }
      #expect(output.stdout == "drwxrwxrwt\ndrwx------\nnoexec\nexec\nfull\nro\n", "\(output.stderr)")
      for options in [["tmpcopyup"], ["nonsense=1"], ["size=-x"]] {
        let error = try await failure(service, .init(kind: .tmpfs, target: "/a", options: options))
        #expect(
          error?.data?.kind == (options == ["tmpcopyup"] ? .unsupported : .invalidArgument), "\(options)")
      }
      #expect(await service.stop() == 0)
    }
  }

  @Test("bind mounts: read-only, writable, a file, a missing source", arguments: Account.available)
  func binds(account: Account) async throws {
    try await withBusybox(account) { store, service in
      let shared = try await shared(store, account)
      let made = store.directory.appending("made").appending("now").string
      let output = try await service.run([
        "sh", "-c",
        "cat /ro/file /one; touch /ro/x || echo ro; echo new > /rw/new && echo rw; echo x > /one || echo ro; ls /made /dev/shm",
      ]) {
        $0.mounts = [
          .init(kind: .bind, target: "/ro", source: shared.string, readOnly: true),
          .init(kind: .bind, target: "/rw", source: shared.string),
          .init(kind: .bind, target: "/one", source: shared.appending("file").string, readOnly: true),
          .init(kind: .bind, target: "/made", source: made, createsSource: true),
          // Instead of the usual one.
          .init(kind: .bind, target: "/dev/shm/", source: shared.string, readOnly: true),
        ]
      }
      #expect(
        output.stdout == "text\ntext\nro\nrw\nro\n/dev/shm:\ndeep\nfile\nnew\n\n/made:\n", "\(output.stderr)")
      #expect(try String(decoding: shared.appending("new").readAll(), as: UTF8.self) == "new\n")
      #expect(
        try await kind(service, .init(kind: .bind, target: "/x", source: "\(shared)/nope"))
          == .notFound)
      for mount in [
        Mount(kind: .bind, target: "/x", source: "name"), Mount(kind: .bind, target: "/x"),
        Mount(kind: .bind, target: "x", source: "/tmp"), Mount(kind: .bind, target: "/..", source: "/tmp"),
        Mount(kind: .bind, target: "/proc", source: "/tmp"),
        Mount(kind: .bind, target: "/tmp/../proc/sys/kernel", source: "/tmp"),
        Mount(kind: .tmpfs, target: "/proc/self/attr"), Mount(kind: .tmpfs, target: "/x", source: "/tmp"),
      ] {
        #expect(try await kind(service, mount) == .invalidArgument, "\(mount)")
      }
      #expect(await service.stop() == 0)
    }
  }

  @Test("a link of the image's leads a mount neither out of it nor into procfs", arguments: Account.available)
  func targets(account: Account) async throws {
    try await withBusybox(
      account, "ln -s ../../../../../../tmp out; ln -s /proc/sys into; ln -s /proc/self/attr attr"
    ) {
      store, service in
      let shared = try await shared(store, account)
      let inside = try await service.run(["cat", "/tmp/deep/down/file"]) {
        $0.mounts = [.init(kind: .bind, target: "/out/deep/down", source: shared.string)]
      }
      #expect(inside.stdout == "text\n")
      // CVE-2025-52881, CVE-2019-19921: what the engine, or the kernel, trusts there would be another's.
      for target in ["/into", "/into/kernel", "/attr"] {
        let error = try await failure(service, .init(kind: .bind, target: target, source: shared.string))
        #expect(error?.message.contains("bind") == true, "\(error?.message ?? "") \(error?.data as Any)")
        #expect(error?.data?.causes.contains { $0.contains("procfs") } == true, "\(error as Any)")
        let covered = try await failure(service, .init(kind: .tmpfs, target: target))
        #expect(covered?.data?.causes.contains { $0.contains("procfs") } == true)
      }
      #expect(await service.stop() == 0)
    }
  }
}
