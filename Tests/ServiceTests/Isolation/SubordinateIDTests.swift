import RPCModel
import RPCTransport
import TestSupport
import Testing

@Suite(
  "Subordinate ids that are refused", .requires(.mount),
  .enabled("needs root beside an ordinary user") { Account.available == [.root, .ordinary] })
struct SubordinateIDTests {
  @Test(
    "what newuidmap refuses is an error of each request, with the files and the command",
    arguments: ["u", "g"])
  func refused(kind: String) async throws {
    try await withTestStore(.ordinary) { store in
      var store = store
      // Without its set-user-id bit it may do nothing.
      let program = store.directory.appending("program")
      let copied = try await ChildProcess.run([
        "install", "-m", "755", "/usr/bin/new\(kind)idmap", program.string,
      ])
      #expect(copied.succeeded, "\(copied.errorText)")
      store.replaced["/usr/bin/new\(kind)idmap"] = program
      let said = try await store.runProgram("coracle-repl", ["-c", "ps"])
      #expect(said.status == .exited(2))
      for word in [
        "new\(kind)idmap refused the subordinate ids of user coracle-test", "/etc/subuid", "/etc/subgid",
        "usermod --add-subuids", "--add-subgids", "set-user-id",
      ] {
        #expect(said.errorText.contains(word), "\(word) in \(said.errorText)")
      }
      do {
        let service = try await store.service()
        Issue.record("a service came up: \(service)")
      } catch {
        #expect((error as? RPCError)?.data?.kind == .permissionDenied, "\(error)")
        #expect((error as? RPCError)?.data?.subject == "/etc/sub\(kind)id", "\(error)")
      }
    }
  }
}
