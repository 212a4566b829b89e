import Glibc
import RPCModel
import TestSupport
import Testing

@Suite("waits in tests that would not end")
struct PatienceTests {
  @Test("a program that goes on: it is killed with what it has started, and named")
  func program() async throws {
    let error = await #expect(throws: TestFailure.self) {
      _ = try await ChildProcess.run(["sh", "-c", "sleep 1000 & wait"], patience: .milliseconds(300))
    }
    #expect("\(error.map(String.init(describing:)) ?? "")".contains("sleep 1000"))
  }

  @Test("what ends in time is answered with, and what fails fails by itself")
  func inTime() async throws {
    let answer = try await withPatience(.seconds(300)) { 7 }
    #expect(answer == 7)
    await #expect(throws: TestFailure.self) {
      try await withPatience(.seconds(300)) { throw TestFailure("its own") }
    }
  }

  @Test("a request that nobody answers: its service is killed when the test has taken too long")
  func request() async throws {
    let account = try #require(Account.available.last)
    try await withKnownIssue {
      try await withTestStore(account, patience: .milliseconds(300)) { store in
        let service = try await store.service()
        // It is there, and says nothing, as soon as one of its threads has seen the signal.
        service.process.kill(SIGSTOP)
        while true { _ = try await service.send(SystemPing.self, .init()) }
      }
    } matching: { issue in
      issue.error != nil || issue.comments.contains { $0.rawValue.contains("not done after") }
    }
  }
}
