import Foundation
import Glibc
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// Containers of images whose files are not as tidy as those of most, for users who are not root.
@Suite("Odd trees and other users")
struct OddTreeTests {
  @Test("a link to nothing where a file is mounted leads no mount out", arguments: Account.available)
  func danglingTarget(account: Account) async throws {
    try await withBusyboxService(account) { store, service in
      let outside = store.directory.appending("outside")
      let archive = try await store.busyboxArchive(
        "ln -s ../run/resolve/stub etc/resolv.conf; ln -s \(outside) etc/hosts; ln -s nowhere etc/hostname")
      _ = try await service.send(ImageImport.self, .init(path: archive.string, reference: "linked:1"))
      let run = try await service.run(
        "linked:1", ["sh", "-c", "cat /etc/resolv.conf > /dev/null && cat /etc/hosts && cat /etc/hostname"]
      ) { $0.hostname = "ship" }
      #expect(run.exit.code == 0 && run.stdout.hasSuffix("ship\n"), "\(run.stdout) \(run.stderr)")
      #expect(run.stdout.contains("localhost"))
      #expect(access(outside.string, F_OK) != 0, "nothing is made outside of the container")
    }
  }

  @Test(
    "a working directory that is missing is made, by root, whoever the process is; exec makes none",
    arguments: Account.available)
  func workingDirectory(account: Account) async throws {
    try await withBusyboxService(account) { _, service in
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
    try await withBusyboxService(account) { _, service in
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
    try await withTestStore(account) { store in
      try await withFaultyServer { server in
        let upper = store.directory.appending("upper.tar")
        let made = try await ChildProcess.run(
          [
            "sh", "-ec",
            "mkdir -p u/etc; touch u/etc/.wh..wh..opq; echo bob:x:77:78:bob:/bob:/bin/sh > u/etc/passwd; tar --owner 0 --group 0 -C u -cf \(upper) etc; rm -r u",
          ], workingDirectory: store.directory)
        #expect(made.succeeded, "\(made.errorText)")
        try await ServedImage(tars: [store.busyboxArchive().readAll(), upper.readAll()]).serve(on: server)
        let service = try await store.service()
        let name = "\(server.host)/app:1"
        _ = try await service.send(ImagePull.self, .init(reference: name))
        let bob = try await service.run(name, ["sh", "-c", "cat /etc/group; id -u; id -g; echo $HOME"]) {
          $0.user = "bob"
        }
        #expect(bob.stdout == "77\n78\n/bob\n")
        let gone = await #expect(throws: RPCError.self) {
          try await service.run(name, ["true"]) { $0.user = "user" }
        }
        #expect(gone?.data?.kind == .notFound)
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test(
    "a service whose parent ignored SIGCHLD still learns how containers end", arguments: Account.available)
  func ignoredChildren(account: Account) async throws {
    try await withBusyboxService(account) { store, _ in
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

@Suite("What a layer cannot have")
struct LayerWarningTests {
  @Test(
    "a socket, and a device that an ordinary user cannot make, are left out, and the client is told which",
    arguments: Account.available)
  func sockets(account: Account) async throws {
    try await withTestStore(account) { store in
      let service = try await store.service()
      let archive = try await store.busyboxArchive("mknod null c 1 3")
      let imported = try await service.send(
        ImageImport.self, .init(path: archive.string, reference: "busybox:1"))
      let expected =
        account == .ordinary ? ["left out the device ./null: an ordinary user cannot make one"] : nil
      #expect(imported.layerWarnings?.map(\.text) == expected)

      let container = try await service.send(
        ContainerCreate.self, .init(image: "busybox:1", name: "c", command: ["true"]))
      let details = try await service.send(ContainerInspect.self, .init(container: container.container.id))
      let bind = "import socket; socket.socket(socket.AF_UNIX).bind('own.sock')"
      let bound = try await ChildProcess.run(
        ["python3", "-c", bind], workingDirectory: FilePath(details.upperDirectory))
      #expect(bound.succeeded, "\(bound.errorText)")
      let committed = try await service.send(ContainerCommit.self, .init(container: "c", reference: "s:2"))
      #expect(
        committed.layerWarnings?.map(\.text) == ["left out own.sock: it is a socket or of an unknown kind"])
      #expect(await service.stop() == 0)
    }
  }
}
