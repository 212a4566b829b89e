import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

@Suite("Volumes at the REPL")
struct REPLVolumeTests {
  /// Runs commands that must succeed, one a line; what they print.
  private func repl(_ store: TestStore, _ script: String) async throws -> String {
    let done = try await store.runProgram("coracle-repl", ["-c", script])
    guard done.succeeded else { throw TestFailure("\(script): \(done.errorText)") }
    return done.text
  }

  /// What a command that must fail says.
  private func refusal(_ store: TestStore, _ line: String) async throws -> String {
    let done = try await store.runProgram("coracle-repl", ["-c", line])
    #expect(!done.succeeded, "\(line)")
    return done.errorText
  }

  private func withImage(_ account: Account, _ body: @Sendable (TestStore) async throws -> Void) async throws
  {
    try await withTestStore(account) { store in
      let archive = try await store.busyboxArchive(
        "mkdir -p srv/sub; echo page > srv/index; echo deep > srv/sub/file")
      _ = try await repl(store, "import \(archive) b:1")
      try await body(store)
    }
  }

  @Test("create, ls, inspect, rm and prune", arguments: Account.available)
  func commands(account: Account) async throws {
    try await withImage(account) { store in
      #expect(try await repl(store, "volume create --label tier=db data") == "data\n")
      let generated = try await repl(store, "volume create").trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(!generated.isEmpty)
      _ = try await repl(store, "run -d --init --name user -v data:/data -v /scratch b:1 sleep 1000")
      let listed = try await repl(store, "volume ls").split(separator: "\n").map(String.init)
      #expect(listed.count == 4 && listed[0].hasPrefix("NAME"))
      #expect(listed.contains { $0.hasPrefix("data ") && $0.contains("user") })
      #expect(try await repl(store, "volume ls --label tier=db").split(separator: "\n").count == 2)
      _ = try await repl(store, "exec user sh -c 'echo 12345 > /data/file'")
      let shown = try await repl(store, "volume inspect data")
      for word in ["tier=db", "user", "volumes/data"] { #expect(shown.contains(word), "\(shown)") }
      #expect(try await refusal(store, "volume inspect dta").contains("did you mean data?"))
      let inUse = try await refusal(store, "volume rm data")
      #expect(inUse.contains("user"), "\(inUse)")
      #expect(try await refusal(store, "volume creat x").contains("did you mean create?"))
      _ = try await repl(store, "rm -f user")
      // Without a terminal to ask at, nothing goes; then what nobody has named; then the rest.
      _ = try await repl(store, "volume prune")
      #expect(try await repl(store, "volume ls").split(separator: "\n").count == 4)
      _ = try await repl(store, "volume prune -f")
      let left = try await repl(store, "volume ls")
      #expect(left.contains("data ") && !left.contains(generated + "x"), "\(left)")
      _ = try await repl(store, "volume prune --all --yes")
      #expect(try await repl(store, "volume ls").split(separator: "\n").count == 1)
    }
  }

  @Test("export and import, by a file and by the standard streams", arguments: Account.available)
  func archives(account: Account) async throws {
    try await withImage(account) { store in
      _ = try await repl(store, "run --rm -v data:/srv b:1 sh -c 'echo more > /srv/more'")
      let archive = store.directory.appending("data.tar")
      _ = try await repl(store, "volume export -o \(archive) data")
      let imported = try await repl(store, "volume import --label from=file \(archive) copy")
      #expect(imported.hasPrefix("copy  5 entries"), "\(imported)")
      let streamed = try await store.runProgram("coracle-repl", ["-c", "volume export copy"])
      #expect(streamed.stdout == (try Array(Data(contentsOf: URL(filePath: archive.string)))))
      let piped = try await store.runProgram(
        "coracle-repl", ["-c", "volume import - piped"], input: .bytes(streamed.stdout))
      #expect(piped.text.hasPrefix("piped  5 entries"), "\(piped.errorText)")
      let read = try await repl(store, "run --rm -v piped:/v:ro b:1 cat /v/index /v/more /v/sub/file")
      #expect(read == "page\nmore\ndeep\n")
      #expect(try await refusal(store, "volume import \(archive) copy").contains("copy"))
    }
  }

  @Test("-v, --tmpfs and --mount, and what is wrong with them", arguments: Account.available)
  func mounts(account: Account) async throws {
    try await withImage(account) { store in
      let directory = store.directory.appending("bound")
      func run(_ options: String, _ script: String) async throws -> String {
        try await repl(store, "run --rm \(options) b:1 sh -c '\(script)'")
      }
      // A volume, filled by the image, read-only, without the image's files, and a part of it.
      #expect(try await run("-v data:/srv", "cat /srv/index; echo x > /srv/x") == "page\n")
      #expect(
        try await run("-v data:/d:ro", "cat /d/x; echo y 2> /dev/null > /d/y || echo refused")
          == "x\nrefused\n")
      #expect(try await run("-v plain:/srv:nocopy", "ls /srv").isEmpty)
      #expect(
        try await run("--mount type=volume,src=data,dst=/d,volume-subpath=sub", "cat /d/file") == "deep\n")
      #expect(
        try await run(
          "--mount source=made,target=/srv,volume-nocopy,volume-label=a=b,readonly",
          "ls /srv; echo 2> /dev/null > /srv/y || echo refused") == "refused\n")
      #expect(try await repl(store, "volume ls --label a=b").contains("made"))
      for (word, isReadOnly) in [
        ("readonly=TRUE", true), ("ro=t", true), ("readonly=1", true), ("readonly=False", false),
        ("ro=0", false),
      ] {
        let said = try await run(
          "--mount source=data,target=/d,\(word)", "echo y 2> /dev/null > /d/y || echo refused")
        #expect(said == (isReadOnly ? "refused\n" : ""), "\(word)")
      }
      // A directory of the host's, by a short word and a long one.
      #expect(try await run("-v \(directory):/b", "echo host > /b/file").isEmpty)
      #expect(
        try await run("--mount type=bind,source=\(directory),target=/b,readonly", "cat /b/file") == "host\n")
      #expect(
        try await run(
          "--mount type=bind,src=\(directory.removingLastComponent()),dst=/b,subpath=bound", "cat /b/file")
          == "host\n")
      // Memory.
      #expect(
        try await run(
          "--tmpfs /t:size=1m --mount type=tmpfs,target=/m,tmpfs-size=2m,tmpfs-mode=1750",
          "busybox stat -f -c %T /t; busybox stat -c %a /m; busybox df -k /t /m | busybox awk \"/tmpfs/ {print \\$2}\""
        )
          == "tmpfs\n1750\n1024\n2048\n")
      if account == .root {
        let owner = try await run(
          "--userns auto --mount type=bind,source=\(directory),target=/b,idmap",
          "busybox stat -c %u /b/file; busybox touch /b/mine")
        #expect(owner == "0\n")
        // What it has made there is the caller's, and not its own user's of the machine's.
        let mine = try await ChildProcess.run(["stat", "-c", "%u", "\(directory)/mine"])
        #expect(mine.text == "0\n", "\(mine.errorText)")
      }
      for (options, words) in [
        ("-v data", "write data:/where/in/the/container"), ("-v a/b:/x", "./a/b"), ("-v data:x", "write /x"),
        ("-v data:/x:rp", "did you mean ro"), ("--mount type=volum,target=/x", "did you mean volume"),
        ("--mount source=data", "add target="),
        ("--mount type=tmpfs,target=/x,tmpfs-siz=1m", "did you mean tmpfs-size"),
        ("--mount type=bind,source=/etc,target=/x,bind-propagation=rslav", "did you mean rslave"),
        ("--mount type=bind,source=\(directory)/none,target=/x", "none"),
        ("--mount type=volume,source=data,target=/x,volume-subpath=none", "none"),
        ("-v .bad:/x:idma", "did you mean idmap"),
        ("--mount source=data,target=/x,readonly=yes", "write readonly, or readonly=false"),
        ("--mount source=data,target=/x,ro=", "write readonly"),
        ("--mount source=data,target=/x,volume-nocopy=on", "write volume-nocopy"),
        ("--mount type=bind,source=/etc,target=/x,idmap=tRUE", "write idmap"),
        ("--mount type=bind,source=/etc,target=/x,bind-nonrecursive=no", "write bind-nonrecursive"),
      ] {
        let said = try await refusal(store, "run --rm \(options) b:1 true")
        #expect(said.contains(words), "\(options): \(said)")
      }
    }
  }

  @Test("names of volumes are completed where a volume is meant", arguments: Account.available)
  func completion(account: Account) async throws {
    try await withImage(account) { store in
      _ = try await repl(store, "volume create inventory")
      try await TmuxScreen.with(store) { screen in
        try await screen.wait(for: "host>")
        try await screen.enter("coracle-repl")
        try await screen.wait(for: "coracle>")
        for (typed, completed) in [
          ("volume inspect inv", "volume inspect inventory"), ("run -v inv", "run -v inventory:"),
          ("volume pru", "volume prune"),
          ("run --mount type=volume,source=inv", "run --mount type=volume,source=inventory"),
        ] {
          try await screen.type(typed)
          try await screen.press("Tab")
          try await screen.wait(for: completed)
          try await screen.press("C-u")
          try await screen.wait(for: "coracle>")
        }
        try await screen.press("C-d")
        try await screen.wait(for: "host>")
      }
    }
  }
}
