import Foundation
import Glibc
import RPCModel
import TestSupport
import Testing

/// Containers of images whose files are not as tidy as those of most, for users who are not root.
@Suite("Odd trees and other users")
struct OddTreeTests {
  /// Commits what a script leaves in a container of `busybox:1`.
  private func image(_ name: String, _ service: TestService, _ script: String) async throws {
    let made = try await service.run(["sh", "-ec", script])
    #expect(made.exit.code == 0, "\(made.stderr)")
    _ = try await service.send(
      ContainerCommit.self, .init(container: made.container.id, reference: name))
  }

  private func withBusybox(
    _ account: Account, _ body: @Sendable (TestStore, TestService) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      _ = try await service.importBusybox(store)
      try await body(store, service)
      #expect(await service.stop() == 0)
    }
  }

  @Test("a link to nothing where a file is mounted leads no mount out", arguments: Account.available)
  func danglingTarget(account: Account) async throws {
    try await withBusybox(account) { store, service in
      let outside = store.directory.appending("outside")
      try await image(
        "linked:1", service,
        "ln -sf ../run/resolve/stub /etc/resolv.conf; ln -sf \(outside) /etc/hosts; ln -s hosts /etc/other")
      let run = try await service.run(
        "linked:1", ["sh", "-c", "cat /etc/resolv.conf > /dev/null && grep -c localhost /etc/hosts || cat /etc/hosts"]
      ) { $0.network = .host }
      #expect(run.exit.code == 0, "\(run.stderr)")
      #expect(access(outside.string, F_OK) != 0, "nothing is made outside of the container")
    }
  }

  @Test(
    "a working directory that is missing is made, by root, whoever the process is; exec makes none",
    arguments: Account.available)
  func workingDirectory(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let run = try await service.run(["sh", "-c", "pwd; touch x 2> /dev/null || echo refused; ls -ldn ."]) {
        $0.workingDirectory = "/new/place"
        $0.user = "user"
      }
      let lines = run.stdout.split(separator: "\n")
      #expect(lines.prefix(2) == ["/new/place", "refused"])
      #expect(lines.last?.split(separator: " ").dropFirst(2).prefix(2) == ["0", "0"])
      let long = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", command: ["sleep", "1000"], detach: true)
      ).container
      let error = await #expect(throws: RPCError.self) {
        try await service.send(
          ContainerExec.self, .init(container: long.id, command: ["pwd"], workingDirectory: "/none"))
      }
      #expect(error?.message.contains("/none") == true)
      _ = try await service.send(ContainerRemove.self, .init(container: long.id, force: true))
    }
  }

  @Test("the streams can be opened by name, whoever the process is", arguments: Account.available)
  func streamsByName(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let command = ["sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr; cat < /dev/stdin"]
      let run = try await service.run(command, input: Array("in\n".utf8)) { $0.user = "user" }
      #expect(run.stdout == "out\nin\n" && run.stderr == "err\n")
      let long = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", command: ["sleep", "1000"], detach: true)
      ).container
      let exec = try await service.exec(long.id, command, user: "user", input: Array("in\n".utf8))
      #expect(exec.stdout == "out\nin\n" && exec.exit.code == 0)
      _ = try await service.send(ContainerRemove.self, .init(container: long.id, force: true))
    }
  }

  @Test("users are those of the topmost /etc, whatever a layer below has", arguments: Account.available)
  func hiddenUsers(account: Account) async throws {
    try await withBusybox(account) { _, service in
      try await image(
        "bob:1", service,
        "rm -r /etc; mkdir /etc; echo bob:x:77:78:bob:/bob:/bin/sh > /etc/passwd")
      let bob = try await service.run("bob:1", ["sh", "-c", "ls /etc; id -u; id -g; echo $HOME"]) {
        $0.user = "bob"
      }
      #expect(bob.stdout == "passwd\n77\n78\n/bob\n")
      let gone = await #expect(throws: RPCError.self) {
        try await service.run("bob:1", ["true"]) { $0.user = "user" }
      }
      #expect(gone?.data?.kind == .notFound)
    }
  }

  @Test("a service whose parent ignored SIGCHLD still learns how containers end", arguments: Account.available)
  func ignoredChildren(account: Account) async throws {
    try await withBusybox(account) { store, _ in
      let repl = try Programs.directory.get().appending("coracle-repl").string
      let result = try await ChildProcess.run(
        account.launcher + [
          "env", "CORACLE_STORE=\(store.store)", "CORACLE_RUN=\(store.run)", "sh", "-c",
          "trap '' CHLD; exec \"$@\"", "sh", repl, "-c", "run busybox:1 sh -c 'echo here; exit 7'",
        ])
      #expect(result.status == .exited(7), "\(result.errorText)")
      #expect(result.text == "here\n")
    }
  }
}
