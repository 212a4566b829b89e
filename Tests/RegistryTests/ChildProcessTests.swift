import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

/// Of what other tests stand on.
@Suite struct ChildProcessTests {
  @Test func outputAndExitStatusAreExact() async throws {
    let result = try await ChildProcess.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    #expect(result.status == .exited(7))
    #expect(result.text == "out\n")
    #expect(result.errorText == "err\n")
    #expect(!result.succeeded)
  }

  @Test func moreThanAPipeHoldsGoesInAndOut() async throws {
    let bytes = noise(500_000)
    let result = try await ChildProcess.run(["cat"], input: .bytes(bytes))
    #expect(result.stdout == bytes)
    #expect(try await ChildProcess.run(["true"], input: .bytes(bytes)).succeeded)
  }

  @Test func environmentAndDirectoryAreSet() async throws {
    let result = try await ChildProcess.run(
      ["sh", "-c", "pwd; echo $A"], environment: ["A": "b", "PATH": "/usr/bin:/bin"], workingDirectory: "/usr"
    )
    #expect(result.text == "/usr\nb\n")
  }

  @Test func aSignalIsTold() async throws {
    let child = try await ChildProcess.spawn(["cat"], input: .pipe, diesWithTests: true)
    child.signal(SIGTERM)
    #expect(try await child.waitForExit().status == .signalled(SIGTERM))
    child.signal(SIGKILL)
    try child.standardInput?.close()
  }

  @Test func aProgramThatDoesNotExistIsAnError() async throws {
    let error = await #expect(throws: SystemError.self) { try await ChildProcess.run(["no-such-program"]) }
    #expect(error?.errno == .noSuchFileOrDirectory)
  }
}
