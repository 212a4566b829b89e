import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Disk usage")
struct DiskUsageTests {
  @Test("a tree that is deeper than any path is counted to its end")
  func deep() async throws {
    try await withTemporaryDirectory { directory in
      let tree = directory.appending("tree")
      // With something beside each way down, to come back to.
      let script = """
        import os, sys
        os.mkdir(sys.argv[1]); os.chdir(sys.argv[1])
        for level in range(3000):
          os.mkdir("side"); open("side/file", "w").write("x"); os.mkdir("down"); os.chdir("down")
        """
      let made = try await ChildProcess.run(["python3", "-c", script, tree.string])
      #expect(made.succeeded, "\(made.errorText)")
      let text = try await ChildProcess.run(["du", "-s", "--block-size=1", tree.string]).text
      #expect(try diskUsage(of: tree) == Int64(text.prefix { $0.isNumber }))
      try removeTree(tree)
    }
  }

  @Test("counts what du counts: holes, hard links, deep directories, long names")
  func asDu() async throws {
    try await withTemporaryDirectory { directory in
      let tree = directory.appending("tree")
      let script = """
        set -e
        mkdir -p tree/a/b; cd tree
        dd if=/dev/urandom of=a/data bs=1000 count=77 2> /dev/null
        ln a/data a/b/again; ln a/data more
        truncate -s 10M hole; printf x | dd of=hole bs=1 seek=5000000 conv=notrunc 2> /dev/null
        ln -s nowhere link; mkfifo pipe; mkdir locked; echo x > locked/x
        at=.; for i in $(seq 200); do at=$at/deep$i; mkdir $at; done; echo x > $at/end
        """
      let made = try await ChildProcess.run(["sh", "-c", script], workingDirectory: directory)
      #expect(made.succeeded, "\(made.errorText)")
      func du(_ arguments: String...) async throws -> Int64? {
        let text = try await ChildProcess.run(["du", "-s", "--block-size=1"] + arguments + [tree.string]).text
        return Int64(text.prefix { $0.isNumber })
      }
      let (all, part) = (try await du(), try await du("--exclude=b"))
      #expect(try diskUsage(of: tree) == all)
      #expect(try diskUsage(of: tree, except: [tree.appending("a/b")]) == part)
      #expect(try diskUsage(of: tree.appending("none")) == 0)
      #expect(throws: CancellationError.self) { try diskUsage(of: tree, isCancelled: { true }) }
    }
  }
}
