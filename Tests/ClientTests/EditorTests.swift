import TestSupport
import Testing

@Suite("Clients in editors")
struct EditorTests {
  @Test("Neovim: its own tests pass in the real editor", arguments: Account.available)
  func neovim(account: Account) async throws {
    let result = try await run(
      account, "clients/nvim",
      [
        "timeout", "-k", "10", "800",
        "nvim", "--headless", "-u", "NONE", "-i", "NONE", "--cmd", "set rtp^=clients/nvim",
        "-c", "runtime plugin/coracle.lua", "-S", "clients/nvim/tests/run.lua",
      ])
    #expect(result.succeeded && result.all.contains(" passed, 0 failed"), "\(result.all)")
  }

  @Test("Emacs: its own tests pass in the real editor", arguments: Account.available)
  func emacs(account: Account) async throws {
    let result = try await run(
      account, "clients/emacs",
      [
        "timeout", "-k", "10", "800",
        "emacs", "-Q", "--batch", "-L", "clients/emacs", "-l", "clients/emacs/tests/coracle-tests.el",
        "-f", "ert-run-tests-batch-and-exit",
      ])
    #expect(result.succeeded && result.all.contains(", 0 unexpected"), "\(result.all)")
  }

  @Test("what the main README says to set them up does so", arguments: Account.available)
  func setUp(account: Account) async throws {
    let readme = try String(contentsOfFile: "\(ClientProject.root)/README.md", encoding: .utf8)
    func block(_ language: String, with word: String) throws -> String {
      let blocks = readme.components(separatedBy: "```").filter { $0.hasPrefix("\(language)\n") }
      return String(try #require(blocks.first { $0.contains(word) }).dropFirst(language.count))
    }
    let (plugin, lines) = (try block("sh", with: "nvim/site"), try block("elisp", with: "load-path"))
    try await withTestStore(account) { store in
      let project = try await ClientProject(["clients/nvim", "clients/emacs"], for: store)
      try await store.importHello()
      let neovim = try await project.run([
        "sh", "-c",
        "set -e\n\(plugin)\ntimeout -k 10 600 nvim --headless -i NONE -c 'echo exists(\":Coracle\")' -c qa",
      ])
      #expect(neovim.succeeded && neovim.errorText == "2", "\(neovim.all)")
      let emacs = try await project.run([
        "timeout", "-k", "10", "600", "emacs", "-Q", "--batch", "--eval",
        "(progn \(lines) (coracle-list) (princ (buffer-name)) (coracle-stop))",
      ])
      #expect(emacs.succeeded && emacs.text.lowercased().contains("coracle"), "\(emacs.all)")
    }
  }

  @Test("Emacs: the byte compiler has nothing to say")
  func byteCompiler() async throws {
    let account = try #require(Account.available.last)
    try await withTestStore(account) { store in
      let project = try await ClientProject(["clients/emacs"], for: store)
      let result = try await project.run([
        "sh", "-c",
        "emacs -Q --batch -L clients/emacs --eval '(setq byte-compile-error-on-warn t)' -f batch-byte-compile clients/emacs/*.el",
      ])
      #expect(result.succeeded, "\(result.all)")
    }
  }

  @Test("Emacs: checkdoc and package-lint have nothing to say")
  func packageLint() async throws {
    let account = try #require(Account.available.last)
    try await withTestStore(account) { store in
      let project = try await ClientProject(["clients/emacs"], for: store)
      let lisp = """
        (let ((files (directory-files "clients/emacs" t "\\\\.el$")) (told nil))
          (let ((default-directory "/usr/share/emacs/site-lisp/elpa/")) (normal-top-level-add-subdirs-to-load-path))
          (require 'checkdoc)
          (require 'package-lint)
          (setq package-lint-main-file (expand-file-name "clients/emacs/coracle.el"))
          (dolist (file files)
            (checkdoc-file file)
            (with-current-buffer (find-file-noselect file)
              (dolist (found (package-lint-buffer)) (push (nth 3 found) told))))
          (princ (string-join told "\n")))
        """
      let result = try await project.run(["emacs", "-Q", "--batch", "--eval", lisp])
      #expect(result.succeeded && result.errorText.isEmpty, "\(result.all)")
      // It has no address yet; and Debian's package-lint thinks that Emacs 28.1 is yet to come.
      let expected = ["should have a Homepage", "uninstallable in all released"]
      let told = result.text.split(separator: "\n").filter { line in !expected.contains { line.contains($0) }
      }
      #expect(told.isEmpty, "\(told)")
    }
  }

  /// Runs an editor with a store that has `hello:1`, and a registry.
  private func run(_ account: Account, _ part: String, _ command: [String]) async throws
    -> ChildProcess.Result
  {
    try await withTestStore(account) { store in
      let project = try await ClientProject([part], for: store)
      try await store.importHello()
      return try await withDockerRegistry { registry in
        try await project.run(
          command, environment: ["CORACLE_TEST_REFERENCE": try await store.push(to: registry)])
      }
    }
  }
}
