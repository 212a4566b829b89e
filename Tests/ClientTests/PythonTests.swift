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
            "CORACLE_TEST_PATIENCE": "600",
          ])
      }
      #expect(result.succeeded, "\(result.all)")
      #expect(result.text.contains(" passed") && !result.text.contains("skipped"), "\(result.all)")
    }
  }

  /// As `python -m build` and `pip install` do it, with what is on this machine: the package's source distribution, the wheel of
  /// that, and an environment that it is installed in.
  private static let installing = """
    set -e
    cd clients/python
    python3 -W ignore -c "from setuptools import build_meta; build_meta.build_sdist('dist')" > /dev/null
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INDEX=1
    python3 -W ignore -m pip wheel --quiet --no-build-isolation --no-deps -w dist dist/*.tar.gz 2> log || { cat log; exit 1; }
    python3 -m venv --without-pip --system-site-packages environment
    environment/bin/python -m pip install --quiet --no-deps dist/*.whl
    cd "$HOME"; mkdir user; cd user
    printf '%s' "$1" > user.py
    printf '%s' "$2" > test_user.py
    ln -s "$OLDPWD/project/clients/python/environment" environment
    """

  @Test("it is built and installed as PyPI's packages are, with its types and its fixture")
  func package() async throws {
    let account = try #require(Account.available.last)
    try await withTestStore(account) { store in
      let project = try await ClientProject(["clients/python"], for: store)
      try await store.importHello()
      let program = """
        import importlib.metadata

        import coracle

        metadata = importlib.metadata.metadata("coracle-client")
        with coracle.Client() as client:
            text: str = client.run("hello:1", ["echo", "hello"], user="root").text
            print(text.strip(), metadata["License"], metadata["Requires-Dist"], metadata["Version"])
            print(client.system.info().version)

        """
      let test = """
        def test_greeting(coracle_container):
            web = coracle_container("hello:1", ["sh", "-c", "echo ready; sleep 1000"])
            assert web.wait_for_log("ready")

        """
      func user(_ command: String) async throws -> ChildProcess.Result {
        try await project.run(
          ["sh", "-c", "cd \"$HOME\"/user; \(command)"], environment: ["PYTHONDONTWRITEBYTECODE": "1"])
      }
      let installed = try await project.run(["sh", "-c", Self.installing, "sh", program, test])
      try #require(installed.succeeded, "\(installed.all)")

      let run = try await user("environment/bin/python -X dev user.py")
      #expect(run.text == "hello Apache-2.0 None 0.1.0\n0.1.0\n", "\(run.all)")
      let tested = try await user("environment/bin/python -m pytest -q -p no:cacheprovider")
      #expect(tested.succeeded && tested.text.contains("1 passed"), "\(tested.all)")

      // Debian's mypy calls keywords with types of their own an experiment.
      let mypy =
        "/usr/bin/mypy --strict --enable-incomplete-feature=Unpack --python-executable environment/bin/python"
      let typed = try await user("\(mypy) user.py")
      #expect(typed.succeeded, "\(typed.all)")
      let mistyped = try await user("sed 's/user=/usr=/' user.py > wrong.py; \(mypy) wrong.py")
      #expect(mistyped.text.contains("\"usr\""), "\(mistyped.all)")
    }
  }

  @Test("its types are strict")
  func types() async throws {
    let account = try #require(Account.available.last)
    try await withTestStore(account) { store in
      let project = try await ClientProject(["clients/python"], for: store)
      let checked = try await project.run(
        ["/usr/bin/mypy", "--enable-incomplete-feature=Unpack"], in: "clients/python")
      #expect(checked.succeeded, "\(checked.all)")
    }
  }
}
