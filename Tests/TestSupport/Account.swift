import Foundation
import Glibc
import LinuxSystem
package import SystemPackage
import Testing

/// Who a test's services run as: the same tests prove the engine for root and for an ordinary user.
package enum Account: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case root
  /// With subordinate ids: `coracle-test` where root runs the tests, and otherwise whoever runs them.
  case ordinary

  package static let ordinaryName = "coracle-test"

  package var testDescription: String { rawValue }

  /// The accounts that this process can prove. With CORACLE_TEST_ALL=1 it claims both.
  package static var available: [Account] {
    if ProcessInfo.processInfo.environment["CORACLE_TEST_ALL"] == "1" { return allCases }
    let hasOrdinary = geteuid() != 0 || getpwnam(ordinaryName) != nil
    return (geteuid() == 0 ? [.root] : []) + (hasOrdinary ? [.ordinary] : [])
  }

  /// In front of a command that is to run as this account. The ordinary user's files are for nobody else to read, which no
  /// container must notice.
  package var launcher: [String] {
    guard self == .ordinary else { return [] }
    let change = [
      "/usr/bin/setpriv", "--reuid", Self.ordinaryName, "--regid", Self.ordinaryName, "--clear-groups", "--",
    ]
    return ["/bin/sh", "-c", "umask 077; exec \"$@\"", "sh"] + (geteuid() == 0 ? change : [])
  }

  /// Gives a directory to the account.
  func own(_ directory: FilePath) throws {
    guard self == .ordinary, geteuid() == 0 else { return }
    guard let entry = getpwnam(Self.ordinaryName) else {
      throw SystemError("getpwnam", .noSuchFileOrDirectory)
    }
    try call("chown", on: directory.string) {
      chown(directory.string, entry.pointee.pw_uid, entry.pointee.pw_gid)
    }
  }
}

/// The programs under test, in a place where any user may execute them.
package enum Programs {
  private static let prepared = Task {
    try await onBlockingThread("programs") { _ = try directory.get() }
  }

  /// Copies them, the first time: whoever asks for `directory` behind this waits for no disk on a thread of the pool.
  package static func prepare() async throws { try await prepared.value }

  package static let directory: Result<FilePath, any Error> = Result {
    let built =
      ProcessInfo.processInfo.environment["CORACLE_BIN_DIR"]
      ?? URL(filePath: Swift.CommandLine.arguments[0]).deletingLastPathComponent().path(percentEncoded: false)
    let copy = FilePath("/tmp/coracle-test-programs-\(getpid())")
    try FileManager.default.createDirectory(
      atPath: copy.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    // By another process: a descriptor of this one that is open for writing could be in a child that a test starts just
    // now, and then the copy could not be executed.
    let names = ["coracle", "coracle-shim", "coracle-repl", "coracle-runtime"]
    let copied = try runProgram(
      "/bin/cp", arguments: ["cp"] + names.map { "\(built)/\($0)" } + [copy.string], environment: [],
      input: [],
      patience: Patience.program)
    guard copied.status == .exited(code: 0) else {
      throw TestFailure("cannot copy the programs: \(String(decoding: copied.errors, as: UTF8.self))")
    }
    atexit {
      if case .success(let path) = Programs.directory {
        try? FileManager.default.removeItem(atPath: path.string)
      }
    }
    return copy
  }
}
