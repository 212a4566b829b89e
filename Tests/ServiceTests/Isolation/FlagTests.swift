import Foundation
import Glibc
import RPCModel
import SystemPackage
import TestSupport
import Testing

/// What a person writes at the REPL is what a container then has, seen from inside.
@Suite("The REPL's words for what a container may do and see", .serialized)
struct FlagTests {
  /// The image has a user `me` with a group of its own, and groups without members.
  private static let change = """
    echo me:x:1500:1500:me:/home:/bin/sh >> etc/passwd
    printf 'extra:x:2000:\\nmore:x:2001:me\\n' >> etc/group
    """

  /// Runs commands of the REPL on a store that has the image `i:1`.
  private func withImage(
    _ account: Account, _ body: @Sendable (TestStore) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let archive = try await store.busyboxArchive(Self.change)
      let made = try await repl(store, "import \(archive) i:1")
      #expect(made.succeeded, "\(made.errorText)")
      let outcome: Swift.Result<Void, any Error>
      do { outcome = .success(try await body(store)) } catch { outcome = .failure(error) }
      let service = try await store.service()
      for left in try await service.send(ContainerList.self, .init(all: true)).containers {
        _ = try await service.send(ContainerRemove.self, .init(container: left.id, force: true))
      }
      #expect(await service.stop() == 0)
      try outcome.get()
    }
  }

  private func repl(_ store: TestStore, _ commands: String) async throws -> ChildProcess.Result {
    try await store.runProgram("coracle-repl", ["-c", commands])
  }

  /// What a container prints that is run with these words.
  private func lines(_ store: TestStore, _ words: String, _ script: String) async throws -> [String] {
    let result = try await repl(store, "run --rm \(words) i:1 sh -c '\(script)'")
    return (result.text + result.errorText).split(separator: "\n").map(String.init)
  }

  @Test("user, groups, directory, names, variables, ulimits, shared memory", arguments: Account.available)
  func process(account: Account) async throws {
    try await withImage(account) { store in
      let found = try await lines(
        store,
        """
        -u me --group-add extra --group-add 2005 -w /tmp/made --hostname ship -e A=1 -e HOME --ulimit nofile=100:200 \
        --ulimit core=0 --shm-size 8m --oom-score-adj 500 --label a=b
        """,
        """
        id -u; id -G; pwd; hostname; echo "$A $HOME"; ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj
        busybox df -k /dev/shm | busybox awk "END { print \\$2 }"
        """)
      #expect(
        found == [
          "1500", "1500 2000 2001 2005", "/tmp/made", "ship", "1 \(store.directory)", "100", "200", "0",
          "500",
          "8192",
        ])
      let named = try await repl(store, "run --rm -u 7:staff --entrypoint /bin/id i:1")
      #expect(named.text == "uid=7 gid=50(staff) groups=50(staff)\n", "\(named.errorText)")
    }
  }

  @Test("the groups that were added are those of exec's users, too", arguments: Account.available)
  func execGroups(account: Account) async throws {
    try await withImage(account) { store in
      let result = try await repl(
        store,
        """
        run -d --name c --group-add extra i:1 sleep 1000
        exec c id -G
        exec -u me c id -G
        exec -u user:staff c id -G
        """)
      #expect(result.text == "c\n0 2000\n1500 2000 2001\n50 2000\n", "\(result.errorText)")
    }
  }

  @Test("capabilities, new privileges and system calls", arguments: Account.available)
  func rights(account: Account) async throws {
    try await withImage(account) { store in
      let show =
        "for n in CapEff CapBnd NoNewPrivs Seccomp; do busybox grep \"^$n:\" /proc/self/status | busybox awk \"{ print \\$2 }\"; done"
      let usual = try await lines(store, "", show)
      #expect(usual.count == 4 && usual[0] == usual[1] && usual[2...] == ["0", "2"])
      let few = "--cap-drop ALL --cap-add NET_ADMIN --cap-add CAP_CHOWN"
      #expect(
        try await lines(store, few, show) == ["0000000000001001", "0000000000001001", "0", "2"])
      let less = try await lines(store, "--cap-drop chown", show)
      let (all, dropped) = (UInt64(usual[0], radix: 16) ?? 0, UInt64(less[0], radix: 16) ?? 0)
      #expect(all & 1 == 1 && dropped == all - 1)
      let open = "--security-opt no-new-privileges --security-opt seccomp=unconfined"
      #expect(try await lines(store, open, show) == [usual[0], usual[0], "1", "0"])
      #expect(try await lines(store, "--no-new-privileges", show)[2] == "1")
      #expect(try await lines(store, "--security-opt no-new-privileges:false", show)[2] == "0")

      let profile = store.directory.appending("profile.json")
      try profile.write(
        #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}"#
          .utf8)
      let own = try await lines(store, "--security-opt seccomp=profile.json", "mkdir /tmp/x || echo refused")
      #expect(own.contains("refused"))
      let wrong = try await lines(store, "--security-opt seccomp=none.json", "true")
      #expect(wrong == ["error: cannot read the seccomp profile none.json"])
    }
  }

  @Test("a read-only root, memory file systems, binds and volumes", arguments: Account.available)
  func mounts(account: Account) async throws {
    try await withImage(account) { store in
      let host = store.directory.appending("host")
      // As the account itself, with what it may read.
      let made = try await store.runProgram("coracle-repl", ["-c", "run --rm -v ./host/inner:/x i:1 true"])
      #expect(made.succeeded, "\(made.errorText)")
      let found = try await lines(
        store,
        """
        --read-only --tmpfs /scratch:size=1m,mode=700 --mount type=tmpfs,target=/t2,tmpfs-size=2m,tmpfs-mode=1770 \
        -v ./host:/ro:ro -v ./host:/rw -v data:/data --mount type=bind,source=./host,target=/sub,subpath=inner,readonly
        """,
        """
        touch /x || echo root refused
        touch /ro/x || echo ro refused
        touch /sub/x || echo sub refused
        echo word > /rw/inner/file && cat /sub/file
        echo kept > /data/file && echo volume
        busybox df -k /scratch /t2 | busybox awk "NR > 1 { print \\$2 }"
        busybox stat -c %a /scratch /t2
        busybox grep -c " /scratch .*noexec" /proc/self/mounts
        """)
      #expect(
        found.filter { !$0.hasPrefix("touch:") } == [
          "root refused", "ro refused", "sub refused", "word", "volume", "1024", "2048", "700", "1770", "1",
        ])
      #expect(fileExists(host.appending("inner/file").string))
      #expect(
        try await lines(store, "--mount source=data,target=/d,volume-nocopy", "cat /d/file") == ["kept"])
    }
  }

  private func fileExists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  @Test("kernel parameters of its own namespaces, and no others", arguments: Account.available)
  func sysctls(account: Account) async throws {
    try await withImage(account) { store in
      let found = try await lines(
        store, "--sysctl net.ipv4.ip_unprivileged_port_start=77 --sysctl kernel.msgmax=5000",
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax")
      #expect(found == ["77", "5000"])
      let refused = try await lines(store, "--sysctl kernel.panic=1", "true")
      #expect(refused.first?.hasPrefix("error: ") == true && refused.last?.hasPrefix("  hint: ") == true)
      let shared = try await lines(store, "--ipc host --sysctl kernel.msgmax=5000", "true")
      #expect(shared.first?.hasPrefix("error: ") == true)
    }
  }

  @Test(
    "namespaces of the host and of another container, with its shared memory", arguments: Account.available)
  func namespaces(account: Account) async throws {
    try await withImage(account) { store in
      let show = "for n in pid ipc uts cgroup net; do busybox readlink /proc/self/ns/$n; done"
      let own = try await lines(store, "", show)
      let host = try await lines(
        store, "--pid host --ipc host --uts host --cgroupns host --network host", show)
      let here = ["pid", "ipc", "uts", "cgroup", "net"].map { name in
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/\(name)")) ?? ""
      }
      #expect(host == here && own.count == 5 && Set(own).isDisjoint(with: host))
      let joined = "--pid container:a --ipc container:a --uts container:a --cgroupns container:a"
      let result = try await repl(
        store,
        """
        run -d --name a --shm-size 4m i:1 sh -c 'echo "of the first" > /dev/shm/word; sleep 1000'
        wait --running a
        exec a sh -c '\(show)'
        run --rm \(joined) --network container:a i:1 sh -c '\(show)'
        run --rm --ipc container:a -u me i:1 sh -c 'until [ -s /dev/shm/word ]; do :; done; cat /dev/shm/word; echo of the second > /dev/shm/reply'
        exec a cat /dev/shm/reply
        run --rm --ipc container:a i:1 sh -c 'busybox df -k /dev/shm | busybox awk "END { print \\$2 }"; rm /dev/shm/reply'
        exec a ls /dev/shm
        run --rm --ipc container:a --tmpfs /dev/shm i:1 ls /dev/shm
        """)
      var text = result.text.split(separator: "\n").map(String.init)
      #expect(text.count == 15, "\(result.text)\(result.errorText)")
      guard text.count == 15 else { return }
      text.removeFirst()
      #expect(Array(text[0..<5]) == Array(text[5..<10]))
      #expect(text[10...] == ["of the first", "of the second", "4096", "word"])
    }
  }

  @Test(
    "one with another's shared memory starts again by its rule, alone when the other has gone",
    arguments: Account.available)
  func sharedMemoryLater(account: Account) async throws {
    try await withImage(account) { store in
      // Each life says what it finds; the second begins when the first container has gone.
      let result = try await repl(
        store,
        """
        run -d --name a i:1 sh -c 'echo word > /dev/shm/word; sleep 1000'
        exec a sh -c 'until [ -s /dev/shm/word ]; do :; done'
        run -d --name b --ipc container:a --restart on-failure:2 -v turn:/turn i:1 sh -c \
          'until [ -e /turn/go ]; do :; done; ls /dev/shm; echo life; [ -e /turn/second ] && exit 0; touch /turn/second; exit 1'
        exec b ls /dev/shm
        rm -f a
        exec b touch /turn/go
        wait b
        logs b
        """)
      #expect(result.text == "a\nb\nword\n0\nword\nlife\nlife\n", "\(result.errorText)")
    }
  }

  @Test(
    "privileged: all that the service may; a device; a first process that reaps", arguments: Account.available
  )
  func privileged(account: Account) async throws {
    try await withImage(account) { store in
      let show = """
        busybox grep "^CapEff:" /proc/self/status | busybox awk "{ print \\$2 }"
        busybox grep "^Seccomp:" /proc/self/status | busybox awk "{ print \\$2 }"
        busybox grep -c " /proc/sys .*\\bro\\b" /proc/self/mounts
        busybox grep -c "^sysfs /sys sysfs rw" /proc/self/mounts
        busybox grep -c " /proc/timer_list " /proc/self/mounts
        """
      let usual = try await lines(store, "", show)
      #expect(usual[1...] == ["2", "1", "0", "1"], "\(usual)")
      let all = try await lines(store, "--privileged", show)
      let effective = try #require(all.first.flatMap { UInt64($0, radix: 16) })
      let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
      let bounding = status.split(separator: "\n").first { $0.hasPrefix("CapBnd:") }
        .flatMap { UInt64($0.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16) }
      // In a user namespace its maker's service has what the kernel knows of.
      #expect(account == .root ? effective == bounding : effective & 0x1F_FFFF_FFFF == 0x1F_FFFF_FFFF)
      #expect(all[1...] == ["0", "0", "1", "0"], "\(all)")
      let device = try await lines(
        store, "--device /dev/zero:/dev/nought:rwm --device /dev/zero:/deep/zero --init",
        "busybox head -c 3 /dev/nought | wc -c; busybox head -c 2 /deep/zero | wc -c; echo $$")
      #expect(device.first == "3" && device[1] == "2" && device[2] != "1", "\(device)")
    }
  }

  @Test("user ids of its own, and a bind with mapped ids", .requires(.root))
  func users() async throws {
    try await withImage(.root) { store in
      let made = try await repl(store, "run --rm -v ./mapped:/x i:1 touch /x/file")
      #expect(made.succeeded)
      let found = try await lines(
        store, "--userns auto -v ./mapped:/m:idmap -v ./mapped:/plain",
        "busybox awk \"{ print \\$1, \\$3; exit !(\\$2 >= 1073741824) }\" /proc/self/uid_map && busybox stat -c %u /m/file /plain/file"
      )
      // The host's root is nobody in it.
      #expect(found == ["0 65536", "0", "65534"])
      #expect(try await lines(store, "--userns host", "cat /proc/self/uid_map")[0].hasSuffix("4294967295"))
    }
  }

  @Test("an ordinary user is told what is root's alone")
  func ordinary() async throws {
    let account = try #require(Account.available.last)
    guard account == .ordinary else { return }
    try await withImage(account) { store in
      let users = try await lines(store, "--userns auto", "true")
      #expect(
        users == [
          "error: an ordinary user's containers share the user's ids",
          "  hint: user ids of its own a container can have from a service that root runs",
        ])
      let shared = try await lines(store, "-v ./host:/x:rshared", "true")
      #expect(shared.first == "error: an ordinary user's container cannot share its mounts with the host")
    }
  }

  @Test(
    "mounts that the host makes later come to a slave, and what it mounts goes to the host when shared",
    .requires(.root))
  func propagation() async throws {
    try await withImage(.root) { store in
      let shared = store.directory.appending("shared")
      func host(_ command: String) async throws -> Bool {
        try await ChildProcess.run(["sh", "-ec", command]).succeeded
      }
      #expect(
        try await host(
          "mkdir -p \(shared)/a; mount --bind \(shared) \(shared); mount --make-shared \(shared)"))
      let started = try await repl(
        store,
        """
        run -d --name private -v ./shared:/p i:1 sleep 1000
        run -d --name slave -v ./shared:/p:rslave i:1 sleep 1000
        run -d --name shared --cap-add SYS_ADMIN --security-opt seccomp=unconfined \
          --mount type=bind,source=./shared,target=/p,bind-propagation=rshared i:1 sleep 1000
        """)
      #expect(started.succeeded, "\(started.errorText)")
      #expect(try await host("mount -t tmpfs later \(shared)/a; touch \(shared)/a/file"))
      let seen = try await repl(
        store, "exec private ls /p/a; exec slave ls /p/a; exec shared ls /p/a")
      #expect(seen.text == "file\nfile\n")
      let mounted = try await repl(
        store, "exec shared sh -c 'mkdir /p/b; busybox mount -t tmpfs inside /p/b && touch /p/b/back'")
      #expect(mounted.succeeded, "\(mounted.errorText)")
      #expect(fileExists(shared.appending("b/back").string))
      _ = try await repl(store, "rm -f private slave shared")
      #expect(try await host("umount -R \(shared)"))
    }
  }

  @Test("what cannot be is refused in the words of the option, with what it could be")
  func refusals() async throws {
    let account = try #require(Account.available.first)
    try await withImage(account) { store in
      #expect(try await repl(store, "create --name c i:1 true").succeeded)
      for (words, said) in [
        ("run --cpus=-1 i:1 true", "--cpus is a number of processors, as 1.5, not -1.0\n  hint: 0 is"),
        ("run --pids-limit=-1 i:1 true", "--pids-limit cannot be -1\n  hint: 0 is without a limit"),
        ("run --memory 1k i:1 true", "not a limit: memoryBytes 1024\n  hint: it is at least"),
        ("run --cap-add FROB i:1 true", "there is no capability FROB\n  hint: "),
        ("run --ulimit frob=1 i:1 true", "not a limit of a process: frob\n  hint: "),
        ("run --pid container:c i:1 true", "container c: it does not run\n  hint: start it first"),
        ("run --userns frob i:1 true", "--userns is host or auto, not frob"),
        ("run --restart frob i:1 true", "there is no restart policy frob\n  hint: it is no, on-failure"),
        ("run --user nobodyx i:1 true", "the image has no user nobodyx\n  hint: "),
        ("run --group-add nonex i:1 true", "the image has no group nonex\n  hint: "),
        ("run --sysctl kernel.panic=1 i:1 true", "kernel.panic"),
        ("update c", "nothing is to be changed\n  hint: name a limit"),
        ("cp c:/none .", "there is no /none in the container"),
        ("cp profile c:/none/x", "there is no directory /none in the container\n  hint: make it first"),
      ] {
        try store.directory.appending("profile").write([])
        let result = try await repl(store, words)
        #expect(result.status == .exited(1), "\(words)")
        #expect(
          result.errorText.contains("error: ") && result.errorText.contains(said), "\(result.errorText)")
      }
    }
  }

  @Test(
    "a command that is not there is 127, and one that cannot be executed 126, as in a shell",
    arguments: Account.available)
  func commandErrors(account: Account) async throws {
    try await withImage(account) { store in
      #expect(try await repl(store, "run -d --name c i:1 sleep 1000").succeeded)
      for (words, code) in [
        ("run --rm i:1 frobnicate", 127), ("run -d --rm i:1 /no/such", 127),
        ("run --rm i:1 /etc/passwd", 126),
        ("create --name d i:1 frobnicate; start d", 127), ("exec c frobnicate", 127),
        ("exec c /etc/passwd", 126), ("exec none true", 1),
        ("run none:1 true", 1),
      ] {
        let result = try await repl(store, words)
        #expect(result.status == .exited(Int32(code)), "\(words): \(result.errorText)")
        #expect(result.errorText.hasPrefix("error: "))
      }
    }
  }
}
