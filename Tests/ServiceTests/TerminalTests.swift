import Foundation
import Glibc
import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite("Terminals")
struct TerminalTests {
  private func withBusybox(
    _ account: Account, _ body: @Sendable (TestStore, TestService) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      let links = "for name in stty tty stat cut readlink mount tr od; do ln -s busybox bin/$name; done"
      _ = try await service.send(
        ImageImport.self, .init(path: try await store.busyboxArchive(links).string, reference: "busybox:1"))
      try await body(store, service)
      #expect(await service.stop() == 0)
    }
  }

  @Test("a run with a terminal: its name, size, owner, console, and one output", arguments: Account.available)
  func run(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let output = try await service.run([
        "sh", "-c",
        "tty; stty size; stat -c '%u:%g %a' /dev/pts/0; echo err >&2; test -t 0 && test -t 1 && test -t 2 && echo all; "
          + "echo $TERM; echo console > /dev/console; echo tty > /dev/tty; ls -1 /proc/self/fd; stat -c %t:%T /dev/console; exit 4",
      ]) {
        $0.tty = true
        $0.terminalSize = .init(rows: 33, columns: 111)
        $0.user = "user"
      }
      #expect(
        output.stdout.replacing("\r\n", with: "\n")
          == "/dev/pts/0\n33 111\n1000:5 620\nerr\nall\nxterm\nconsole\ntty\n0\n1\n2\n3\n88:0\n",
        "\(output.stdout)")
      #expect(output.stderr == "" && output.exit.code == 4)
      let standard = try await service.run(["stty", "size"]) { $0.tty = true }
      #expect(standard.stdout == "24 80\r\n")
      let mine = try await service.run(["sh", "-c", "echo $TERM"]) {
        $0.tty = true
        $0.environment = ["TERM": "linux"]
      }
      #expect(mine.stdout == "linux\r\n")
    }
  }

  @Test(
    "what is typed reaches a terminal, and its end is an end-of-file character", arguments: Account.available)
  func input(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let whole = try await service.run(["cat"], input: Array("one\ntwo\n".utf8)) { $0.tty = true }
      #expect(whole.stdout.replacing("\r\n", with: "\n").contains("two\n") && whole.exit.code == 0)
      let open = try await service.run(["wc", "-c"], input: Array("half".utf8)) { $0.tty = true }
      #expect(open.stdout.hasSuffix("4\r\n") && open.exit.code == 0)
      // The terminal's own signal: Ctrl-C. Once, and to the command, with a first process of the engine's own too.
      for hasInit in [false, true] {
        let id = try await service.send(
          ContainerRun.self,
          .init(
            image: "busybox:1",
            command: [
              "sh", "-c", "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done",
            ],
            opensStdin: true, tty: true, initProcess: hasInit, detach: true)
        ).container.id
        // Typed before it has said what to do with it, the signal would end it.
        _ = try await service.send(
          ContainerWait.self, .init(container: id, until: .init(condition: .logMatch, pattern: "ready")))
        let keys = service.process.connection.sender()
        let typing = Task { try await keys.send([3]) }
        let exit = try await service.send(ContainerAttach.self, .init(container: id, stdin: keys.id)).exit
        _ = await typing.result
        #expect(exit.code == 9)
        #expect(try await service.logs(id).components(separatedBy: "caught").count == 2)
      }
    }
  }

  @Test("every byte goes through a raw terminal, both ways", arguments: Account.available)
  func rawBytes(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let bytes = (0..<40).flatMap { _ in [UInt8](0...255) }
      let screen = try await service.openRun {
        $0.command = ["sh", "-c", "stty raw -echo; echo ready; head -c \(bytes.count)"]
        $0.tty = true
        $0.opensStdin = true
      }
      await screen.wait(for: "ready\n")
      let already = screen.bytes.count
      await screen.type(bytes)
      #expect(try await screen.exit.code == 0)
      #expect(Array(screen.bytes.dropFirst(already)) == bytes)
    }
  }

  @Test(
    "several clients in two services see and write to one terminal, and resize it",
    arguments: Account.available)
  func severalClients(account: Account) async throws {
    try await withBusybox(account) { store, service in
      let other = try await store.service("other")
      let container = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "shared",
          command: [
            "sh", "-c",
            "stty -echo; trap 'stty size' WINCH; (while :; do echo tick; sleep 0.05; done) & while :; do read x && echo got $x; [ \"$x\" = bye ] && exit; done",
          ],
          opensStdin: true, tty: true, detach: true)
      ).container
      let first = try await service.attach(container.name, size: .init(rows: 10, columns: 20))
      let second = try await other.attach(container.name)
      let watcher = try await other.attach(container.name, input: false)
      for screen in [first, second, watcher] { await screen.wait(for: "tick\r\n") }
      await first.type("one\n")
      for screen in [first, second, watcher] { await screen.wait(for: "got one\r\n") }
      await second.type("two\n")
      for screen in [first, second, watcher] { await screen.wait(for: "got two\r\n") }
      _ = try await other.send(
        ContainerResize.self, .init(container: container.id, size: .init(rows: 50, columns: 132)))
      await first.wait(for: "50 132\r\n")
      await first.detach()
      await second.type("three\n")
      await watcher.wait(for: "got three\r\n")
      let late = try await service.attach(container.name, size: .init(rows: 7, columns: 77))
      await watcher.wait(for: "7 77\r\n")
      await late.type("bye\n")
      for screen in [second, watcher, late] { #expect(try await screen.exit.code == 0) }
      #expect(await other.stop() == 0)
    }
  }

  @Test("a terminal without open input takes sizes and no input", arguments: Account.available)
  func closedInput(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let container = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1",
          command: ["sh", "-c", "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done"],
          tty: true, detach: true)
      ).container
      // Before, it would not hear of a size.
      _ = try await service.send(
        ContainerWait.self,
        .init(container: container.id, until: .init(condition: .logMatch, pattern: "ready")))
      let refused = await #expect(throws: RPCError.self) { try await service.attach(container.id).exit }
      #expect(refused?.data?.kind == .conflict)
      let watcher = try await service.attach(container.id, input: false, size: .init(rows: 3, columns: 4))
      await watcher.wait(for: "3 4\r\n")
      #expect(try await watcher.exit.code == 0)
      let plain = try await service.send(
        ContainerRun.self,
        .init(image: "busybox:1", command: ["sleep", "1000"], opensStdin: true, detach: true)
      ).container
      let none = await #expect(throws: RPCError.self) {
        try await service.send(
          ContainerResize.self, .init(container: plain.id, size: .init(rows: 3, columns: 4)))
      }
      #expect(none?.data?.kind == .conflict)
    }
  }

  @Test(
    "exec with a terminal of its own: size, resize, user, directory, exit code, and all output",
    arguments: Account.available)
  func exec(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let container = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", command: ["sleep", "1000"], detach: true)
      ).container
      let screen = try await service.openExec(container.id, size: .init(rows: 12, columns: 34)) {
        $0.command = [
          "sh", "-c",
          "stty -echo; tty; stty size; id -u; pwd; echo $A; trap 'stty size' WINCH; echo ready; until read x; do :; done; echo got $x; exit 6",
        ]
        $0.user = "user"
        $0.workingDirectory = "/tmp"
        $0.environment = ["A": "b c"]
      }
      await screen.wait(for: "ready\r\n")
      #expect(screen.text.replacing("\r\n", with: "\n").hasPrefix("/dev/pts/0\n12 34\n1000\n/tmp\nb c\n"))
      _ = try await service.send(
        ContainerResize.self, .init(request: screen.request, size: .init(rows: 21, columns: 43)))
      await screen.wait(for: "21 43\r\n")
      await screen.type("it\n")
      #expect(try await screen.exit.code == 6)
      #expect(screen.text.hasSuffix("got it\r\n"))
      // Its end and its last output come together, and what stays behind holds nothing up.
      for _ in 0..<20 {
        let short = try await service.openExec(container.id) {
          $0.command = ["sh", "-c", "sleep 1000 & head -c 50000 /dev/zero | tr '\\0' x; echo end"]
        }
        #expect(try await short.exit.code == 0)
        #expect(short.text.utf8.count == 50_005 && short.text.hasSuffix("xend\r\n"))
      }
    }
  }

  @Test(
    "a privileged exec has what the service has, another one what the container has",
    arguments: Account.available)
  func privileged(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let container = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", command: ["sleep", "1000"], detach: true)
      ).container
      func status(_ isPrivileged: Bool) async throws -> [Substring] {
        let screen = try await service.openExec(container.id) {
          $0.command = ["cat", "/proc/self/status"]
          $0.privileged = isPrivileged
        }
        #expect(try await screen.exit.code == 0)
        return screen.text.replacing("\r\n", with: "\n").split(separator: "\n")
      }
      let usual = try await status(false)
      #expect(usual.contains("CapEff:\t00000000a00425fb") && usual.contains("Seccomp:\t2"))
      let all = try await status(true)
      #expect(all.contains("Seccomp:\t0") && all.contains("CapInh:\t0000000000000000"))
      let effective = try #require(all.first { $0.hasPrefix("CapEff:\t") }?.dropFirst(8))
      // CAP_SYS_ADMIN and CAP_NET_ADMIN.
      let administration: UInt64 = 1 << 21 | 1 << 12
      #expect(try #require(UInt64(effective, radix: 16)) & administration == administration)
    }
  }

  @Test("cancelling an exec with a terminal kills it", arguments: Account.available)
  func cancel(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let container = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", command: ["sleep", "1000"], detach: true)
      ).container
      let screen = try await service.openExec(container.id) {
        $0.command = ["sh", "-c", "echo ready; trap '' INT TERM HUP; while :; do sleep 0.05; done"]
      }
      await screen.wait(for: "ready\r\n")
      await screen.detach()
      let processes = try await service.exec(container.id, ["ps", "-o", "args"]).stdout
      #expect(!processes.contains("ready"), "\(processes)")
    }
  }

  @Test("however many are attached, sizes are heard and the service answers", .requires(.root))
  func manyClients() async throws {
    try await withBusybox(.root) { _, service in
      let container = try await service.send(
        ContainerRun.self,
        .init(
          image: "busybox:1", name: "crowded",
          command: [
            "sh", "-c", "stty -echo; trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done",
          ],
          opensStdin: true, tty: true, detach: true)
      ).container
      // Before, it would not hear of a size.
      _ = try await service.send(
        ContainerWait.self,
        .init(container: container.id, until: .init(condition: .logMatch, pattern: "ready")))
      var screens: [TestScreen] = []
      for _ in 0..<20 { screens.append(try await service.attach(container.name)) }
      for rows in 1...40 {
        _ = try await service.send(
          ContainerResize.self, .init(container: container.id, size: .init(rows: rows, columns: 9)))
      }
      #expect(try await service.send(ContainerList.self, .init()).containers.count == 1)
      _ = try await service.send(
        ContainerWait.self,
        .init(
          container: container.id, until: .init(condition: .logMatch, pattern: "40 9"), timeoutMs: 300_000))
      for screen in screens { await screen.detach() }
      _ = try await service.send(ContainerRemove.self, .init(container: container.id, force: true))
    }
  }
}
