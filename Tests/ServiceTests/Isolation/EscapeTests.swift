import Foundation
import Glibc
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// What broke out of other engines: each an image or a container that tries, black box.
@Suite("What a container cannot do")
struct EscapeTests {
  @Test(
    "CVE-2019-5736: an entry point that executes the shim's program cannot write it",
    arguments: Account.available)
  func shimsProgram(account: Account) async throws {
    let change = "printf '#!/proc/self/exe\\n' > bin/trick; chmod 755 bin/trick"
    try await withBusybox(account, change) { store, service in
      let programs = try Programs.directory.get()
      let before = try ["coracle", "coracle-shim"].map { try programs.appending($0).readAll() }
      _ = try? await service.run(["trick"])
      _ = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "c", command: ["sleep", "1000"], detach: true))
      // An exec session's process is the shim's program until it executes the command: whoever is quick may open it.
      let hunt = """
        n=0; while [ $n -lt 400 ]; do n=$((n+1)); for p in /proc/[0-9]*; do \
        [ $p = /proc/$$ ] || { echo evil > $p/exe; } 2>/dev/null && echo wrote; done; done; true
        """
      async let hunting = service.exec("c", ["sh", "-c", hunt])
      for _ in 0..<20 { _ = try await service.exec("c", ["true"]) }
      _ = try? await service.exec("c", ["trick"])
      // Files of the container's own it may write; the programs are as they were.
      _ = try await hunting
      for (name, content) in zip(["coracle", "coracle-shim"], before) {
        #expect(try programs.appending(name).readAll() == content)
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "CVE-2024-21626: no working directory leads out through a descriptor", arguments: Account.available)
  func workingDirectory(account: Account) async throws {
    let links = (3...12).map { "ln -s /proc/self/fd/\($0) fd\($0)" }.joined(separator: "; ")
    try await withBusybox(account, links) { store, service in
      let host = try String(contentsOfFile: "/etc/passwd", encoding: .utf8)
      _ = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "c", command: ["sleep", "1000"], detach: true))
      for number in 3...12 {
        for path in ["/proc/self/fd/\(number)", "/proc/self/fd/\(number)/../../..", "/fd\(number)"] {
          let look = "cat ../../../../../etc/passwd ./etc/passwd; pwd"
          let ran = try? await service.run(["sh", "-c", look]) { $0.workingDirectory = path }
          #expect(ran?.stdout.contains(host) != true, "\(path)")
          let out = service.process.connection.receiver(credit: 1000)
          async let text = out.text()
          let executed = try? await service.send(
            ContainerExec.self,
            .init(
              container: "c", command: ["sh", "-c", look], workingDirectory: path,
              streams: OutputStreams(stdout: out.id, initialCredit: 1000)))
          if executed == nil { out.end(nil) }
          #expect(await !text.contains(host), "\(path)")
        }
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await service.stop() == 0)
    }
  }

  /// The second container is a spare's, whose root is entered by chroot(2) on another.
  @Test(
    "who leaves a chroot of its own, or takes the root away, sees nothing of the host",
    arguments: [false, true])
  func chroot(isPrivileged: Bool) async throws {
    let account = try #require(Account.available.first)
    try await withBusybox(account) { _, service in
      let escape = """
        import ctypes, os
        root = os.open("/", os.O_RDONLY)
        os.mkdir("/cage")
        os.chroot("/cage")
        os.fchdir(root)
        for _ in range(64): os.chdir("..")
        os.chroot(".")
        print("escaped", sorted(os.listdir("/")))
        libc = ctypes.CDLL(None, use_errno=True)
        # MNT_DETACH
        print("detached", libc.umount2(b"/", 2) == 0)
        for place in ("/", "..", "/proc/1/root", "/proc/1/cwd/.."):
            try: print(place, sorted(os.listdir(place)))
            except OSError as error: print(place, error.errno)
        """
      let libraries = ["/usr", "/lib", "/lib64"].filter { FileManager.default.fileExists(atPath: $0) }
      for name in ["first", "second"] {
        let ran = try await service.run(["/usr/bin/python3", "-c", escape]) {
          $0.privileged = isPrivileged
          $0.mounts = libraries.map { .init(kind: .bind, target: $0, source: $0, readOnly: true) }
        }
        #expect(ran.stdout.hasPrefix("escaped [") && ran.stdout.contains("'cage'"), "\(name): \(ran)")
        // What every host has and the image has not.
        #expect(!ran.stdout.contains("'boot'") && !ran.stdout.contains("'var'"), "\(name): \(ran)")
      }
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "the payload has descriptors 0, 1 and 2 and no other, in run and in exec, with and without a terminal",
    arguments: Account.available)
  func descriptors(account: Account) async throws {
    try await withBusybox(account) { _, service in
      // The fourth is that of the directory that is listed.
      let show = ["ls", "/proc/self/fd"]
      for tty in [false, true] {
        let ran = try await service.run(show) { $0.tty = tty }
        #expect(ran.stdout.split(whereSeparator: \.isWhitespace) == ["0", "1", "2", "3"], "\(ran.stdout)")
        let first = try await service.run(["sh", "-c", "ls /proc/1/fd"]) { $0.tty = tty }
        let numbers = first.stdout.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        // A shell on a terminal keeps a copy of it.
        #expect(numbers.prefix(3) == [0, 1, 2] && numbers.allSatisfy { $0 < 3 || $0 >= 10 || $0 == 3 })
      }
      _ = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "c", command: ["sleep", "1000"], detach: true))
      #expect(try await service.exec("c", show).stdout == "0\n1\n2\n3\n")
      #expect(try await service.exec("c", ["ls", "/proc/1/fd"]).stdout == "0\n1\n2\n")
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "CVE-2025-31133, CVE-2025-52565: an image's /dev/null, /dev/console and /dev as links change nothing",
    arguments: Account.available)
  func falseDevices(account: Account) async throws {
    let changes = [
      "mkdir dev; ln -s /proc/sys/kernel/core_pattern dev/null; ln -s /proc/sysrq-trigger dev/console; ln -s /proc/1 dev/pts; ln -s / dev/shm",
      "ln -s /proc/sys dev", "ln -s ../../../../../../../../dev dev", "ln -s /etc dev",
    ]
    for change in changes {
      try await withBusybox(account, change) { _, service in
        for tty in [false, true] {
          // Where the devices are not what they should be it does not start; else nothing is unmasked or writable.
          let ran = try? await service.run([
            "sh", "-c",
            "cat /proc/timer_list | wc -c; echo x > /proc/sys/kernel/core_pattern || echo no; echo h > /proc/sysrq-trigger || echo no",
          ]) { $0.tty = tty }
          if let ran {
            #expect(
              ran.stdout.split(whereSeparator: \.isNewline).filter { $0 == "0" || $0 == "no" }.count == 3,
              "\(change): \(ran.stdout)")
          }
        }
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test(
    "CVE-2019-16884, CVE-2019-19921, CVE-2023-27561: /proc as a link or a volume starts nothing unprotected",
    arguments: Account.available)
  func falseProc(account: Account) async throws {
    for change in ["ln -s /tmp proc", "ln -s /dev/shm proc", "ln -s ../../../../../proc proc", "ln -s / sys"]
    {
      try await withBusybox(account, change) { _, service in
        let error = await #expect(throws: RPCError.self) { _ = try await service.run(["true"]) }
        let expected = change.hasSuffix("sys") ? "/sys" : "/proc"
        #expect(error?.message.contains(expected) == true, "\(change): \(error?.message ?? "")")
        #expect(await service.stop() == 0)
      }
    }
    try await withBusybox(account) { store, service in
      for target in ["/proc", "/proc/", "/proc/self", "//proc/sys", "/tmp/../proc"] {
        for mount in [
          Mount(kind: .tmpfs, target: target),
          Mount(kind: .bind, target: target, source: store.directory.string),
        ] {
          let error = await #expect(throws: RPCError.self) {
            _ = try await service.run(["true"]) { $0.mounts = [mount] }
          }
          #expect(error?.data?.kind == .invalidArgument, "\(target)")
        }
      }
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "CVE-2016-3697, CVE-2024-40635, CVE-2024-9676: users are what their numbers say, and their files no traps",
    arguments: Account.available)
  func users(account: Account) async throws {
    let change =
      "echo 1000:x:0:0:root:/:/bin/sh > etc/passwd; echo 4294967296:x:0:0:root:/:/bin/sh >> etc/passwd"
    try await withBusybox(account, change) { _, service in
      let numbered = try await service.run(["id", "-u"]) { $0.user = "1000" }
      #expect(numbered.stdout == "1000\n")
      for user in ["4294967296", "4294967295", "99999999999999999999", "0:4294967296", "-1", "1000:-1"] {
        let error = await #expect(throws: RPCError.self) {
          _ = try await service.run(["id", "-u"]) { $0.user = user }
        }
        #expect(error?.data?.kind == .invalidArgument || error?.data?.kind == .notFound, "\(user)")
      }
      #expect(await service.stop() == 0)
    }
    for change in [
      "rm etc/passwd etc/group; mkfifo etc/passwd etc/group", "rm etc/passwd; ln -s /etc/passwd etc/passwd",
      "rm etc/passwd; ln -s ../../../../../../../etc/passwd etc/passwd", "rm -r etc; ln -s /etc etc",
      "rm etc/passwd; ln -s /dev/zero etc/passwd",
    ] {
      try await withBusybox(account, change) { _, service in
        // A user of the host's that the image does not have.
        let error = await #expect(throws: RPCError.self) {
          _ = try await service.run(["true"]) { $0.user = "daemon" }
        }
        #expect(error?.data?.kind == .notFound, "\(change): \(error as Any)")
        #expect(await service.stop() == 0)
      }
    }
  }

  @Test(
    "CVE-2022-36109, CVE-2023-25173: the groups are the user's, its own among them, and no others",
    arguments: Account.available)
  func groups(account: Account) async throws {
    try await withBusybox(account) { _, service in
      let show = ["sh", "-c", "busybox grep Groups: /proc/self/status"]
      for (user, groups) in [
        ("user", "50 1000"), ("1000:50", "50"), ("0", "0"), ("12345", "0"), ("12345:77", "77"),
      ] {
        let ran = try await service.run(show) { $0.user = user }
        #expect(
          ran.stdout.split(whereSeparator: \.isWhitespace).dropFirst().joined(separator: " ") == groups,
          "\(user)")
      }
      _ = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "c", command: ["sleep", "1000"], detach: true))
      let inside = try await service.exec("c", show, user: "user").stdout
      #expect(inside.split(whereSeparator: \.isWhitespace).dropFirst().joined(separator: " ") == "50 1000")
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "CVE-2021-41091, CVE-2021-41103: no other user reaches into what is kept of a container",
    arguments: Account.available)
  func store(account: Account) async throws {
    try await withBusybox(account, "echo secret > secret; chmod 644 secret") { store, service in
      _ = try await service.send(
        ContainerRun.self, .init(image: "busybox:1", name: "c", command: ["sleep", "1000"], detach: true))
      for directory in [store.store, store.run] {
        let mode = try await ChildProcess.run(["stat", "-c", "%a", directory.string]).text
        #expect(mode == "700\n", "\(directory)")
      }
      if geteuid() == 0 {
        let files = try await service.send(ContainerInspect.self, .init(container: "c"))
        for path in [files.logPath, files.upperDirectory, files.runtimeConfigPath] {
          let other = try await ChildProcess.run([
            "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "ls", path,
          ])
          #expect(!other.succeeded && other.text.isEmpty, "\(path)")
        }
      }
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await service.stop() == 0)
    }
  }

  @Test(
    "CVE-2020-15257: a container in the host's network reaches no socket of the engine",
    arguments: Account.available)
  func sockets(account: Account) async throws {
    try await withBusybox(account) { store, service in
      _ = try await service.send(
        ContainerRun.self,
        .init(image: "busybox:1", name: "c", command: ["cat"], opensStdin: true, detach: true))
      let seen = try await service.run(["cat", "/proc/net/unix"]) { $0.network = .host }.stdout
      #expect(seen.split(separator: "\n").count > 1)
      // Abstract names begin with an at sign there; the engine has none.
      let ours = seen.split(separator: "\n").filter { $0.contains("@") && $0.contains("coracle") }
      #expect(ours.isEmpty, "\(ours)")
      let run = try await service.run(["ls", store.run.string]) { $0.network = .host }
      #expect(run.exit.code != 0)
      _ = try await service.send(ContainerRemove.self, .init(container: "c", force: true))
      #expect(await service.stop() == 0)
    }
  }
}
