import Foundation
import SystemPackage
import TestSupport
import Testing

/// What `make install` and `make deb` make of the programs under test.
@Suite("Packaging")
struct PackagingTests {
  private let root = FilePath(#filePath).removingLastComponent().removingLastComponent()
    .removingLastComponent()
  private let programs = ["coracle", "coracle-repl", "coracle-runtime"]

  /// Runs one of packaging's scripts on the programs under test.
  private func run(_ script: String, _ arguments: [String] = [], _ variables: [String: String] = [:])
    async throws -> ChildProcess.Result
  {
    let built = try Programs.directory.get()
    let settings = ["BUILT=\(built)"] + variables.map { "\($0)=\($1)" }
    return try await ChildProcess.run(
      ["/usr/bin/env"] + settings + [root.appending("packaging/\(script)").string] + arguments)
  }

  private func files(below directory: FilePath) async throws -> Set<String> {
    let found = try await ChildProcess.run(["find", directory.string, "!", "-type", "d", "-printf", "%P\\n"])
    return Set(found.text.split(separator: "\n").map(String.init))
  }

  @Test("installed programs find each other, pages and completions are in order, and all goes again")
  func install() async throws {
    try await withTemporaryDirectory { directory in
      let place = ["DESTDIR": directory.string, "PREFIX": "/usr"]
      let installed = try await run("install", [], place)
      #expect(installed.succeeded, "\(installed.errorText)")
      let usr = directory.appending("usr")
      for program in programs {
        let page = usr.appending("share/man/man1/\(program).1").string
        // A page that refers to another finds it in the same place.
        let lint = try await ChildProcess.run([
          "sh", "-c", "mandoc -T lint -W warning \"$1\" && mandoc -T utf8 \"$1\" | col -b", "sh", page,
        ])
        #expect(lint.succeeded && lint.text.contains("SYNOPSIS") && lint.text.contains(program))
        #expect(lint.errorText.isEmpty, "\(lint.errorText)")
        for (shell, file) in [
          ("bash", "share/bash-completion/completions/\(program)"),
          ("zsh", "share/zsh/site-functions/_\(program)"),
          ("fish", "share/fish/vendor_completions.d/\(program).fish"),
        ] {
          let checked = try await ChildProcess.run([shell, "-n", usr.appending(file).string])
          #expect(checked.succeeded, "\(shell): \(checked.errorText)")
          let text = try String(contentsOfFile: usr.appending(file).string, encoding: .utf8)
          #expect(text.contains(program))
        }
      }
      for program in programs.map({ "bin/\($0)" }) + ["libexec/coracle/coracle-shim"] {
        let sections = try await ChildProcess.run(["readelf", "-SW", usr.appending(program).string])
        #expect(sections.succeeded && sections.text.contains(".text"), "\(sections.errorText)")
        // Two thirds of what the linker makes.
        #expect(!sections.text.contains(".symtab") && !sections.text.contains(".debug_info"), "\(program)")
      }
      let doctor = try await ChildProcess.run([usr.appending("bin/coracle").string, "doctor", "--json"])
      #expect(doctor.text.contains("\(usr)/libexec/coracle/coracle-shim"))
      // What the protocol's page speaks of is beside it.
      let contract = try await files(below: usr.appending("share/coracle/protocol"))
      let own = try await files(below: root.appending("protocol"))
      #expect(contract == own && contract.contains("vectors/requests.json"))
      let help = try await ChildProcess.run([usr.appending("bin/coracle").string, "repl", "--help"])
      #expect(help.text.contains("coracle-repl"))
      let linked = try await ChildProcess.run(["ldd"] + programs.map { usr.appending("bin/\($0)").string })
      #expect(
        linked.text.contains("libc.so") && !linked.text.lowercased().contains("swift"), "\(linked.text)")

      #expect(try await run("install", ["--remove"], place).succeeded)
      #expect(try await files(below: directory) == [])
      #expect(!FileManager.default.fileExists(atPath: usr.appending("share/coracle").string))
    }
  }

  @Test(
    "a bare Debian runs containers with the package, as root and as a user, and is bare again without it",
    .requires(.mount))
  func package() async throws {
    try await withTemporaryDirectory { directory in
      // Quick to make; it is thrown away.
      let made = try await run(
        "deb", [],
        ["OUT": directory.string, "DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"])
      #expect(made.succeeded, "\(made.errorText)")
      let file = made.text.trimmingCharacters(in: .whitespacesAndNewlines)
      let tried = try await run("try-deb", [file])
      #expect(tried.succeeded, "\(tried.text)\(tried.errorText)")
      #expect(tried.text.hasSuffix("removed: nothing is left\n"))
    }
  }
}
