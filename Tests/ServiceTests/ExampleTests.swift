import RPCModel
import RPCTransport
import TestSupport
import Testing

/// What the protocol's examples show and no other test sends in the same words: `.ci/protocol-coverage` looks for each of them.
@Suite("The protocol's examples")
struct ExampleTests {
  @Test("of images and builds", arguments: Account.available)
  func builds(account: Account) async throws {
    try await withBuildContext(account) { context in
      let service = context.service
      let archive = try await context.store.busyboxArchive().string
      let imported = try await service.send(
        ImageImport.self, .init(path: archive, reference: "demo:1", changes: .init(command: ["sh"]))
      ).image
      #expect(imported.references == ["docker.io/library/demo:1"] && imported.layerCount == 1)
      #expect(try await service.send(ImageInspect.self, .init(image: "demo:1")).config.command == ["sh"])

      try await context.script(
        """
        cd context; rm -rf *; mkdir src; echo one > src/main.c; echo x > a.log; echo '*.log' > .dockerignore
        printf 'FROM demo:1\\nCOPY src /src\\nMAINTAINER me\\nARG VERSION=0\\nENV VERSION=$VERSION\\n' > Dockerfile
        """)
      let listed = try await service.send(ContextList.self, .init(path: context.path)).entries
      #expect(listed.first { $0.path == "a.log" }?.ignoredBy == ".dockerignore:1: *.log")
      #expect(listed.contains { $0.path == "src" && $0.directory && $0.ignoredBy == nil })

      let output = service.process.connection.receiver(credit: 0)
      var params = BuildStart.Params(.init(context: context.path, arguments: ["VERSION": "1"]))
      params.references = ["demo:2"]
      params.output = output.id
      async let said = output.text()
      let built = try await service.send(BuildStart.self, params)
      #expect(await said == "" && built.image.layerCount == 2)
      let cached = try await service.send(BuildCacheList.self, .init()).entries
      #expect(cached.contains { $0.instruction == "COPY src /src" && $0.layer != nil })

      try await context.script("echo two > context/src/main.c")
      let explained = try await service.send(BuildExplain.self, .init(.init(context: context.path))).steps
      #expect(explained.contains { $0.reasons == ["src/main.c has other content"] })
      var compared = BuildVerify.Params(.init(context: context.path))
      compared.image = "demo:2"
      let verified = try await service.send(BuildVerify.self, compared)
      #expect(!verified.identical && verified.files?.map(\.path) == ["/src/main.c"])
      #expect(verified.settings?.contains { $0.now?.contains("VERSION=0") == true } == true)
    }
  }

  @Test("of containers", arguments: Account.available)
  func containers(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
      let connection = service.process.connection
      let run = connection.receiver(credit: 0)
      let ended = try await service.send(
        ContainerRun.self,
        .init(image: "busybox:1", command: ["true"], streams: .init(stdout: run.id)))
      #expect(ended.exit?.code == 0)
      let seen = try await service.send(ContainerInspect.self, .init(container: ended.container.id))
      #expect(seen.container.state == .exited && seen.creation.command == ["true"])
      let plan = try await service.send(SystemPrune.self, .init(kinds: [.container])).items
      #expect(plan.map(\.reason) == ["it has ended with status 0"])
      let pruned = try await service.send(
        SystemPrune.self, .init(kinds: [.container], apply: plan.map(\.id)))
      #expect(pruned.items.map(\.outcome) == [.removed])

      _ = try await service.send(
        ContainerRun.self,
        .init(image: "busybox:1", name: "talker", command: ["echo", "ready to serve"], detach: true))
      let line = try await service.send(
        ContainerWait.self,
        .init(
          container: "talker", until: .init(condition: .logMatch, pattern: "ready"), timeoutMs: 60_000)
      ).line
      #expect(line == "ready to serve")

      _ = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "web", command: ["sleep", "1000"], detach: true))
      let listing = connection.receiver(credit: 1000)
      async let names = listing.text()
      _ = try await service.send(
        ContainerExec.self,
        .init(
          container: "web", command: ["ls", "/"], streams: .init(stdout: listing.id, initialCredit: 1000)))
      #expect(await names.split(separator: "\n").contains("bin"))
      let files = try await service.send(
        ContainerListFiles.self, .init(container: "web", path: "/", prefix: "e")
      ).files
      #expect(files.map(\.name) == ["etc"])
      let limits = try await service.send(
        ContainerUpdate.self, .init(container: "web", limits: .init(memoryBytes: 64 << 20)))
      #expect(limits.limits.memoryBytes == 64 << 20)

      let following = Task {
        try await service.send(
          ContainerStats.self, .init(containers: ["web"], follow: true, intervalMs: 50))
      }
      await service.notifications.wait { all in
        all.contains {
          if case .containerStatsSampled(let sampled) = $0 {
            sampled.stats.contains { $0.name == "web" && $0.cpuPermille != nil }
          } else {
            false
          }
        }
      }
      let again = try await service.send(
        ContainerRestart.self, .init(container: "web", timeoutMs: 1000))
      #expect(again.container.state == .running)
      _ = try await service.send(ContainerKill.self, .init(container: "web", signal: "SIGHUP"))
      _ = try await service.send(ContainerRemove.self, .init(container: "web", force: true))
      #expect(try await !following.value.stats.isEmpty)
    }
  }
}
