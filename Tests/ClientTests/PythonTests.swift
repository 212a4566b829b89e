import TestSupport
import Testing

@Suite("The Python client")
struct PythonTests {
  @Test("its own tests pass against the programs under test", arguments: Account.available)
  func pytest(account: Account) async throws {
    try await withTestStore(account) { store in
      let project = try await ClientProject(["clients/python", "protocol/vectors"], for: store)
      try await store.importHello()
      let result = try await withDockerRegistry { registry in
        // Its tests have a store of their own, below the directory that goes with this test.
        try await project.run(
          [
            "/usr/bin/python3", "-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider",
            "--basetemp", store.directory.appending("pytest").string,
          ], in: "clients/python",
          environment: [
            "PYTHONDONTWRITEBYTECODE": "1", "CORACLE_TEST_REFERENCE": try await store.push(to: registry),
          ])
      }
      #expect(result.succeeded, "\(result.all)")
      #expect(result.text.contains(" passed") && !result.text.contains("skipped"), "\(result.all)")
    }
  }
}
