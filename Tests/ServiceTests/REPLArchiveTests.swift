import Foundation
import TestSupport
import Testing

@Suite("Archives that the REPL writes and reads")
struct REPLArchiveTests {
  /// Runs `body` with the image a:1, and with how a shell of the account names an engine that may be elsewhere.
  private func withImage(
    _ account: Account, _ body: @Sendable (TestStore, _ remote: String) async throws -> Void
  ) async throws {
    try await withTestStore(account) { store in
      let archive = try await store.busyboxArchive()
      let made = try await store.runProgram("coracle-repl", ["-c", "import \(archive) a:1"])
      try #require(made.succeeded, "\(made.errorText)")
      try await body(store, "coracle-repl --server '\(try Programs.directory.get())/coracle serve'")
    }
  }

  @Test("an archive that cannot be written whole is a failure that says why", arguments: Account.available)
  func fullDisk(account: Account) async throws {
    try await withImage(account) { store, remote in
      for command in [
        "coracle-repl -c 'save a:1' > /dev/full", "\(remote) -c 'save a:1 -o /dev/full'",
        "coracle-repl -c 'create --name c a:1 true; export c' > /dev/full",
      ] {
        let result = try await store.run(["sh", "-c", command])
        #expect(result.status == .exited(1), "\(command)")
        #expect(
          result.errorText.contains("error: cannot write the archive\n  because: No space left on device"),
          "\(command): \(result.errorText)")
        #expect(result.errorText.contains("hint: free some space"), "\(result.errorText)")
      }
    }
  }

  @Test("what has an archive's name stays until the archive is whole", arguments: Account.available)
  func replaced(account: Account) async throws {
    try await withImage(account) { store, remote in
      let script = """
        mkdir out; cd out
        echo old > real.tar; chmod 640 real.tar; ln -s real.tar link.tar
        \(remote) -c 'export nobody -o real.tar' && exit 3
        \(remote) -c 'save none:1 -o link.tar' && exit 4
        cat real.tar; ls -A
        \(remote) -c 'save a:1 -o link.tar' || exit 5
        tar -xOf real.tar oci-layout | grep -o imageLayoutVersion
        ls -A; readlink link.tar
        \(remote) -c 'save a:1 -o none/new.tar'
        """
      let result = try await store.run(["sh", "-c", script])
      #expect(result.status == .exited(1), "\(result.errorText)")
      var lines = result.text.split(separator: "\n").map(String.init)
      lines.removeAll { $0.hasPrefix("link.tar  ") }
      #expect(
        lines == ["old", "link.tar", "real.tar", "imageLayoutVersion", "link.tar", "real.tar", "real.tar"],
        "\(lines)")
      #expect(
        result.errorText.contains("because: No such file or directory\n  hint: look whether the path"),
        "\(result.errorText)")
    }
  }

  @Test(
    "of a directory that tar could not read whole nothing is made, over --server",
    arguments: Account.available)
  func partOfADirectory(account: Account) async throws {
    try await withImage(account) { store, remote in
      let script = """
        mkdir app bin; echo hello > app/page; printf 'FROM a:1\nCOPY page /\n' > app/Dockerfile
        printf '#!/bin/sh\n/usr/bin/tar "$@"; exit 2\n' > bin/tar; chmod 755 bin/tar
        PATH=$PWD/bin:$PATH \(remote) -c 'build -t app:1 app'; echo $?
        coracle-repl -c 'images -q'
        \(remote) -c 'build -t app:1 app' && coracle-repl -c 'images -q'
        """
      let result = try await store.run(["sh", "-c", script])
      let lines = result.text.split(separator: "\n")
      #expect(
        lines.prefix(2) == ["1", "a:1"] && lines.last == "a:1" && lines.contains("app:1"),
        "\(lines) \(result.errorText)")
      #expect(result.errorText.contains("error: tar could not read the whole directory\n  hint: "))
    }
  }
}
