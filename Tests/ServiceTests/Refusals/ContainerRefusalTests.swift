import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("Requests about containers that are refused")
struct ContainerRefusalTests {
  @Test(
    "a name that nobody has, and digits with which several ids begin, in every request that names a container"
  )
  func names() async throws {
    try await withBusyboxService(try #require(Account.available.first)) { store, service in
      let several = try await sharedPrefix {
        try await service.send(ContainerCreate.self, .init(image: "busybox:1", command: ["true"])).container
          .id
      }
      for (name, kind) in [("nosuch", ErrorKind.notFound), (several, .invalidArgument)] {
        await expect(kind, for: name, of: service)
        await service.expect(
          kind, of: ContainerCopyTo.self, .init(container: name, target: "/tmp", path: "/etc/hostname"))
        await service.expect(
          kind, of: ContainerCopyFrom.self,
          .init(container: name, source: "/etc", path: store.directory.appending("out").string))
        await service.expect(
          kind, of: ContainerExport.self,
          .init(container: name, path: store.directory.appending("out.tar").string))
      }
    }
  }

  private func expect(_ kind: ErrorKind, for name: String, of service: TestService) async {
    await service.expect(kind, of: ContainerStart.self, .init(container: name))
    await service.expect(kind, of: ContainerStop.self, .init(container: name))
    await service.expect(kind, of: ContainerRestart.self, .init(container: name))
    await service.expect(kind, of: ContainerKill.self, .init(container: name))
    await service.expect(kind, of: ContainerPause.self, .init(container: name))
    await service.expect(kind, of: ContainerUnpause.self, .init(container: name))
    await service.expect(kind, of: ContainerWait.self, .init(container: name))
    await service.expect(kind, of: ContainerInspect.self, .init(container: name))
    await service.expect(kind, of: ContainerRename.self, .init(container: name, name: "other"))
    await service.expect(kind, of: ContainerUpdate.self, .init(container: name, limits: .init()))
    await service.expect(
      kind, of: ContainerPublish.self, .init(container: name, ports: [.init(containerPort: 80)]))
    await service.expect(
      kind, of: ContainerUnpublish.self, .init(container: name, ports: [.init(containerPort: 80)]))
    await service.expect(kind, of: ContainerRemove.self, .init(container: name))
    await service.expect(
      kind, of: ContainerLogs.self, .init(container: name, streams: OutputStreams(stdout: "out")))
    await service.expect(kind, of: ContainerAttach.self, .init(container: name))
    await service.expect(kind, of: ContainerExec.self, .init(container: name, command: ["true"]))
    await service.expect(
      kind, of: ContainerResize.self, .init(container: name, size: .init(rows: 24, columns: 80)))
    await service.expect(kind, of: ContainerTop.self, .init(container: name))
    await service.expect(kind, of: ContainerStats.self, .init(containers: [name]))
    await service.expect(kind, of: ContainerDiff.self, .init(container: name))
    await service.expect(kind, of: ContainerListFiles.self, .init(container: name, path: "/"))
    await service.expect(kind, of: ContainerCommit.self, .init(container: name, reference: "new:1"))
  }

  @Test("what a container's state does not allow", arguments: Account.available)
  func states(account: Account) async throws {
    try await withBusyboxService(account) { store, service in
      for (name, goes) in [("created", false), ("fleeting", true)] {
        _ = try await service.send(
          ContainerCreate.self, .init(image: "busybox:1", name: name, command: ["true"], autoRemove: goes))
      }
      _ = try await service.run(["true"]) { $0.name = "exited" }
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "running", command: ["sleep", "1000"], initProcess: true, detach: true))
      _ = try await service.send(
        ContainerCreate.self,
        .init(
          image: "busybox:1", name: "joining", command: ["true"], network: .container,
          networkContainer: "created"))

      let taken = ContainerCreation(image: "busybox:1", name: "running", command: ["true"])
      await service.expect(.alreadyExists, of: ContainerCreate.self, .init(taken))
      await service.expect(.alreadyExists, of: ContainerRun.self, .init(taken))
      await service.expect(
        .alreadyExists, of: ContainerRename.self, .init(container: "created", name: "running"))
      await service.expect(
        .permissionDenied, of: ContainerExec.self, .init(container: "running", command: ["/etc/passwd"]))
      await service.expect(
        .notFound, of: ContainerExec.self, .init(container: "running", command: ["nosuch"]))

      await service.expect(.conflict, of: ContainerStart.self, .init(container: "running"))
      await service.expect(.conflict, of: ContainerStart.self, .init(container: "joining"))
      await service.expect(.conflict, of: ContainerRestart.self, .init(container: "joining"))
      await service.expect(.conflict, of: ContainerStop.self, .init(container: "created"))
      await service.expect(.conflict, of: ContainerWait.self, .init(container: "created"))
      await service.expect(.conflict, of: ContainerUnpause.self, .init(container: "running"))
      await service.expect(.inUse, of: ContainerRemove.self, .init(container: "running"))
      await service.expect(
        .conflict, of: ContainerUpdate.self, .init(container: "fleeting", restart: .init(kind: .always)))
      for name in ["created", "exited"] {
        await service.expect(.conflict, of: ContainerKill.self, .init(container: name))
        await service.expect(.conflict, of: ContainerPause.self, .init(container: name))
        await service.expect(.conflict, of: ContainerExec.self, .init(container: name, command: ["true"]))
        await service.expect(.conflict, of: ContainerTop.self, .init(container: name))
        await service.expect(.conflict, of: ContainerStats.self, .init(containers: [name]))
        await service.expect(
          .conflict, of: ContainerResize.self, .init(container: name, size: .init(rows: 24, columns: 80)))
        await service.expect(.conflict, of: ContainerAttach.self, .init(container: name, stdin: "in"))
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "running", force: true))

      // Between two runs only its shim has what it runs in.
      _ = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "failing", command: ["false"], restart: .init(kind: .always), detach: true
        ))
      try await waitForPause(of: "failing", service)
      let file = store.directory.appending("busybox.tar").string
      await service.expect(.conflict, of: ContainerListFiles.self, .init(container: "failing", path: "/"))
      await service.expect(
        .conflict, of: ContainerCopyTo.self, .init(container: "failing", target: "/", path: file))
      await service.expect(
        .conflict, of: ContainerExec.self, .init(container: "failing", command: ["true"]))
      await service.expect(.conflict, of: ContainerStart.self, .init(container: "failing"))
      _ = try await service.send(ContainerRemove.self, .init(container: "failing", force: true))
    }
  }

  @Test("parameters that do not fit, and commands that cannot be executed", arguments: Account.available)
  func parameters(account: Account) async throws {
    try await withBusyboxService(account) { store, service in
      let size = TerminalSize(rows: 24, columns: 80)
      await service.expect(.invalidArgument, of: ContainerResize.self, .init(size: size))
      await service.expect(
        .notFound, of: ContainerResize.self, .init(request: .string("nobody's"), size: size))
      await service.expect(.notFound, of: ContainerDetach.self, .init(request: .string("nobody's")))
      await service.expect(
        .invalidArgument, of: ContainerPublish.self,
        .init(container: "nosuch", ports: [.init(containerPort: 80, containerPortEnd: 79)]))

      _ = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "data", command: ["/etc/passwd"]))
      await service.expect(.permissionDenied, of: ContainerStart.self, .init(container: "data"))
      await service.expect(.permissionDenied, of: ContainerRestart.self, .init(container: "data"))
      await service.expect(
        .permissionDenied, of: ContainerRun.self, .init(image: "busybox:1", command: ["/etc/passwd"]))
      await service.expect(.notFound, of: ContainerRun.self, .init(image: "busybox:1", command: ["nosuch"]))

      // What is there already is no directory.
      let file = store.directory.appending("busybox.tar").string
      await service.expect(
        .conflict, of: ContainerCopyFrom.self, .init(container: "data", source: "/etc", path: file))
      await service.expect(
        .invalidArgument, of: ContainerCopyFrom.self, .init(container: "data", source: "/etc"))
    }
  }

  @Test("what only root's containers can have", .enabled(if: Account.available.contains(.ordinary)))
  func ordinary() async throws {
    try await withBusyboxService(.ordinary) { _, service in
      await service.expect(
        .unsupported, of: ContainerCreate.self,
        .init(image: "busybox:1", command: ["true"], userNamespace: .auto))
      await service.expect(
        .unsupported, of: ContainerRun.self,
        .init(image: "busybox:1", command: ["true"], userNamespace: .auto))
      _ = try await service.send(
        ContainerCreate.self,
        .init(
          image: "busybox:1", name: "slave", command: ["true"],
          mounts: [.init(kind: .bind, target: "/host", source: "/usr", propagation: .slave)]))
      await service.expect(.unsupported, of: ContainerStart.self, .init(container: "slave"))
      await service.expect(.unsupported, of: ContainerRestart.self, .init(container: "slave"))
    }
  }
}
