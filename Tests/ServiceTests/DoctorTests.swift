import Foundation
import TestSupport
import Testing

@Suite("coracle doctor")
struct DoctorTests {
  private struct Said: Decodable {
    var about: String
    var verdict: String
    var text: String
    var remedy: String?
  }

  @Test("where the tests' containers run, nothing that they need is missing", arguments: Account.available)
  func machine(account: Account) async throws {
    try await withTestStore(account) { store in
      let told = try await store.runProgram("coracle", ["doctor"])
      #expect(told.status == .exited(0), "\(told.text)\(told.errorText)")
      #expect(told.text.contains("kernel") && !told.text.contains("\u{1B}"))
      let json = try await store.runProgram("coracle", ["doctor", "--json"])
      let findings = try JSONDecoder().decode([Said].self, from: Data(json.text.utf8))
      #expect(
        Set(findings.map(\.about)).isSuperset(of: ["kernel", "control groups", "store", "coracle-shim"]))
      #expect(findings.allSatisfy { ($0.verdict == "good") == ($0.remedy == nil) })
      #expect(findings.contains { $0.about == "subordinate ids" } == (account == .ordinary))
    }
  }

  @Test(
    "what it says of a store and a run directory on the wrong file systems mends them",
    .requires(.mount), .requires(.root),
    .enabled("needs loop devices") { FileManager.default.fileExists(atPath: "/dev/loop-control") },
    arguments: Account.available)
  func remedies(account: Account) async throws {
    try await withTestStore(account) { store in
      // An overlay, as a container of another engine has for its root, and a disk; both are a namespace's of the test's.
      let script = """
        set -e
        account=$1 doctor=$2
        mount -t tmpfs -o mode=755 tests "$3"; cd "$3"
        mkdir lower upper work over
        mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work tests over
        mkdir over/home; chown "$account" over/home
        export CORACLE_STORE=$3/over/home/store CORACLE_RUN=$3/over/home/run
        say() { setpriv --reuid "$account" --regid "$account" --clear-groups "$doctor" doctor --json || [ $? = 1 ]; }
        verdict() { say | jq -r --arg about "$1" '.[] | select(.about == $about) | .verdict'; }
        remedy() { say | jq -r --arg about "$1" '.[] | select(.about == $about) | .remedy'; }
        echo "$(verdict store) $(verdict 'run directory')"
        # Root carries out all of it here, and not what sudo is in front of alone.
        for about in store 'run directory'; do
          remedy "$about" | sed 's/sudo //' > command
          sh -e command
        done
        echo "$(verdict store) $(verdict 'run directory')"
        stat -c '%u' "$CORACLE_STORE" "$CORACLE_RUN"
        umount "$CORACLE_STORE" "$CORACLE_RUN"
        """
      let place = store.directory.appending("place").string
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
      let program = try Programs.directory.get().appending("coracle").string
      let ids = try await ChildProcess.run(store.account.launcher + ["id", "-u"])
      let id = ids.text.trimmingCharacters(in: .whitespacesAndNewlines)
      let result = try await ChildProcess.run([
        "unshare", "--mount", "sh", "-c", script, "sh", id, program, place,
      ])
      #expect(result.text == "missing limited\ngood good\n\(id)\n\(id)\n", "\(result.errorText)")
    }
  }
}
