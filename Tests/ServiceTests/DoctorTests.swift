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
}
