import Foundation
import LinuxSystem
import OCIModel
import RPCModel
import RPCTransport
import SystemPackage
import TestSupport
import Testing

/// Builds that come to no good end: nothing half done is left, and the next one works.
@Suite("Builds that are cut off")
struct BuildFaultTests {
  private static let file = """
    FROM busybox:1 AS tools
    RUN echo tool > /tool
    FROM busybox:1
    WORKDIR /w
    COPY src src
    RUN cat src/a > out; mkdir d; echo x > d/f
    COPY --from=tools /tool .
    """

  /// Nothing is there that nobody names, and a build works and gives what it always gives.
  private func expectSound(_ context: BuildContext, _ digest: String? = nil) async throws {
    let service = context.service
    let containers = try await service.send(ContainerList.self, .init(all: true)).containers
    #expect(containers.isEmpty)
    let built = try await context.build(Self.file, references: ["sound:1"])
    if let digest { #expect(built.image.digest == digest) }
    let seen = try await service.run("sound:1", ["sh", "-c", "cat /w/out /w/tool /w/d/f"]) {
      $0.autoRemove = true
    }
    #expect(seen.stdout == "one\ntool\nx\n")
    // Trees that are made as files are copied are what their archives say.
    let verified = try await service.send(ImageVerify.self, .init())
    #expect(verified.problems.isEmpty, "\(verified.problems)")
    try await collect(service)
    let list = try await ChildProcess.run(
      ["sh", "-c", "ls -A staging containers; ls -A run/build-secrets 2>/dev/null || true"],
      workingDirectory: context.store.store)
    #expect(list.text == "containers:\n\nstaging:\n", "\(list.text)")
    let mounts = try String(contentsOf: URL(filePath: "/proc/self/mountinfo"), encoding: .utf8)
    #expect(!mounts.contains(context.store.directory.string + "/"))
  }

  /// Removes what the dead have left: one plan has all of it, and all of it goes.
  private func collect(_ service: TestService) async throws {
    let kinds: [PruneKind] = [.content, .remains, .download]
    let left = try await service.send(SystemPrune.self, .init(kinds: kinds))
    #expect(left.incomplete == nil)
    let gone = try await service.send(SystemPrune.self, .init(kinds: kinds, apply: left.items.map(\.id)))
    // Without a kind are those that went meanwhile by another service's hand.
    #expect(gone.items.allSatisfy { $0.outcome == .removed || $0.kind == nil }, "\(gone.items)")
    let rest = try await service.send(SystemPrune.self, .init(kinds: kinds))
    #expect(rest.items.isEmpty, "\(rest.items)")
  }

  @Test(
    "killed at any step, a service leaves nothing that is half done",
    arguments: [
      "containerPrepared", "containerPrepared:2", "blobWritten", "blobWritten:2", "blobRenamed",
      "layerUnpacked:2",
      "layerRenamed", "layerRenamed:3", "imageWhole", "storeSynced", "imageWritten", "imageRecorded",
    ])
  func killed(failpoint: String) async throws {
    let account = try #require(Account.available.last)
    try await withBuildContext(account) { context in
      let doomed = BuildContext(
        store: context.store, service: try await context.store.service(failpoint: failpoint))
      let error = await #expect(throws: (any Error).self) {
        _ = try await doomed.build(Self.file, references: ["doomed:1"])
      }
      #expect(error != nil)
      await doomed.service.expectDeath()
      try await expectSound(context)
    }
  }

  @Test("killed while a RUN runs, a service takes its container with it", arguments: Account.available)
  func killedRun(account: Account) async throws {
    try await withBuildContext(account) { context in
      let doomed = BuildContext(store: context.store, service: try await context.store.service())
      let out = doomed.service.process.connection.receiver(credit: 1 << 20)
      let sleep = "sleep 10007\(account == .root ? 7 : 8)"
      var params = doomed.params(
        "FROM busybox:1\nRUN --mount=type=secret,id=k sh -c 'echo begun; exec \(sleep)'")
      params.secrets = [BuildSecret(id: "k", value: "v")]
      params.output = out.id
      let building = Task { [params] in try await doomed.service.send(BuildStart.self, params) }
      let inside = try await eventually(describing: "the RUN runs") {
        try await processes(sleep)
      } until: {
        !$0.isEmpty
      }
      doomed.service.process.kill(9)
      await #expect(throws: (any Error).self) { _ = try await building.value }
      await doomed.service.waitForExit()
      // Its shim ends it when it sees the service gone, and nobody else waits for that.
      for process in inside { try await DescriptorWatcher.shared.readable(process.descriptor) }
      try await expectSound(context)
    }
  }

  /// Those that have such words in their command lines.
  private func processes(_ words: String) async throws -> [ProcessDescriptor] {
    try await ChildProcess.run(["pgrep", "-f", words]).text.split(separator: "\n").compactMap { line in
      Int32(line).flatMap { try? ProcessDescriptor(pid: $0) }
    }
  }

  @Test("cancelled while many files are copied, a build leaves nothing of them", arguments: Account.available)
  func cancelledCopy(account: Account) async throws {
    try await withBuildContext(account) { context in
      try await context.script(
        "mkdir context/many; cd context/many; seq 20000 | split -l 4 -a 4 - f; head -c 50000000 /dev/zero > large"
      )
      let service = context.service
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["build."]))
      let building = Task {
        try await context.build("FROM busybox:1\nCOPY src /src\nCOPY many /many", references: ["never:1"])
      }
      // One that fails before that is not waited for.
      await service.notifications.wait { all in
        all.contains {
          switch $0 {
          case .taskStarted(let task): task.title.contains("COPY many")
          case .eventOccurred(let event): event.kind == "build.failed"
          default: false
          }
        }
      }
      building.cancel()
      let error = await #expect(throws: RPCError.self) { _ = try await building.value }
      #expect(error?.data?.kind == .cancelled)
      let images = try await service.send(ImageList.self, .init()).images
      #expect(images.allSatisfy { !$0.references.contains("docker.io/library/never:1") })
      let explained = try await context.explain("FROM busybox:1\nCOPY src /src\nCOPY many /many")
      #expect(explained.map(\.cached) == [true, true, false])
      try await expectSound(context)
    }
  }

  @Test("a disk that is full midway is noSpace, and with room the build works", .requires(.mount))
  func fullDisk() async throws {
    try await withSmallFileSystem(bytes: 40 << 20, inodes: 20_000) { disk in
      let store = TestStore(account: .root, directory: disk)
      let service = try await store.service()
      _ = try await service.importBusybox(store, BuildContext.programs)
      let context = BuildContext(store: store, service: service)
      try await context.script("mkdir -p context/src; echo one > context/src/a; echo two > context/src/b")
      try await withTemporaryDirectory { directory in
        // More than there is room for; and what there is room for once, but not also as a blob.
        for mebibytes in [60, 24] {
          let made = try await ChildProcess.run(
            ["sh", "-c", "head -c \(mebibytes << 20) /dev/urandom > large"], workingDirectory: directory)
          #expect(made.succeeded)
          let error = await #expect(throws: RPCError.self) {
            _ = try await context.build("FROM busybox:1\nCOPY large /", references: ["full:1"]) {
              $0.context = directory.string
            }
          }
          #expect(error?.data?.kind == .noSpace, "\(mebibytes): \(error?.message ?? "")")
        }
      }
      let error = await #expect(throws: RPCError.self) {
        _ = try await context.build(
          "FROM busybox:1\nRUN head -c 60000000 /dev/urandom > /large", references: ["full:1"])
      }
      // Of the RUN's program, or of what the service writes down of it.
      #expect(error?.data?.kind == .noSpace, "\(error?.message ?? "")")
      #expect(error?.message.contains("the disk is full") == true, "\(error?.message ?? "")")
      let images = try await service.send(ImageList.self, .init()).images
      #expect(images.count == 1)
      try growSmallFileSystem(disk, bytes: 256 << 20)
      try await expectSound(context)
      #expect(await service.stop() == 0)
    }
  }

  @Test("where what was built cannot be written down for later builds, there is no image either")
  func unsaved() async throws {
    try await withBuildContext(try #require(Account.available.first)) { context in
      let service = context.service
      func database(_ statement: String) async throws {
        try await context.script(
          """
          python3 - <<'end'
          import sqlite3
          database = sqlite3.connect("\(context.store.store)/db.sqlite", timeout=60)
          database.execute("\(statement)")
          database.commit()
          end
          """)
      }
      try await database(
        "CREATE TRIGGER refuse BEFORE INSERT ON buildSteps BEGIN SELECT RAISE(ABORT, 'refused'); END")
      _ = try await service.send(EventSubscribe.self, .init(kinds: ["build."]))
      let error = try await context.failure("FROM busybox:1\nRUN echo x > /x") {
        $0.references = ["unsaved:1"]
      }
      #expect(error.data?.kind != .buildFailed, "\(error.message)")
      let images = try await context.images()
      #expect(images.names == ["docker.io/library/busybox:1"] && images.unnamed == 0)
      _ = await service.notifications.event("build.failed")
      #expect(!service.notifications.events.contains { $0.kind == "build.finished" })
      try await database("DROP TRIGGER refuse")
      try await expectSound(context)
    }
  }
}
