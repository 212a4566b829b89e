import EngineErrors
import Foundation
import LinuxSystem
import SystemPackage

/// Where the store and the run directory are: the system's own for root, below the XDG directories for others.
struct StoreLocation {
  var store: FilePath
  var run: FilePath

  /// - Parameters: what the command line names comes first, then the environment, then the default.
  init(store: String?, run: String?, environment: [String: String], userID: UInt32) throws {
    let home = environment["HOME"] ?? "/"
    let isRoot = userID == 0
    let data = Self.value("XDG_DATA_HOME", environment) ?? "\(home)/.local/share"
    // Without a session's run directory, as under cron or su, one beside the others' that is the user's alone.
    let runtime = Self.value("XDG_RUNTIME_DIR", environment) ?? "/tmp/coracle-run-\(userID)"
    self.store = Self.absolute(
      store ?? environment["CORACLE_STORE"] ?? (isRoot ? "/var/lib/coracle" : "\(data)/coracle"))
    self.run = Self.absolute(
      run ?? environment["CORACLE_RUN"] ?? (isRoot ? "/run/coracle" : "\(runtime)/coracle"))
  }

  /// A variable that is set to nothing is as good as unset (XDG Base Directory Specification).
  private static func value(_ name: String, _ environment: [String: String]) -> String? {
    environment[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  private static let runHint = "name another one with --run or CORACLE_RUN"

  /// Makes the run directory; one that is there must be the user's alone, since what it holds is trusted.
  func prepareRunDirectory(userID: UInt32) throws {
    do {
      try makeDirectories(run, mode: 0o700)
    } catch {
      var told = EngineError("make the run directory", error, subject: run.string).hinting(Self.runHint)
      if error.errno == .notDirectory { told.kind = .invalidArgument }
      throw told
    }
    // Who can write to the directory above could put another one in its place.
    let above = try ownership(of: run.removingLastComponent())
    let isSafe = above.map {
      [0, userID].contains($0.owner) && ($0.permissions & 0o022 == 0 || $0.permissions & 0o1000 != 0)
    }
    let isOwn = try ownership(of: run).map { $0.owner == userID && $0.permissions & 0o022 == 0 }
    guard isOwn == true, isSafe == true else {
      throw EngineError(
        .permissionDenied, "the run directory belongs to somebody else, or others may write to it",
        subject: run.string, hint: Self.runHint)
    }
  }

  /// Where the user's credentials for registries are.
  static func dockerConfigDirectory(_ environment: [String: String]) -> FilePath? {
    if let directory = environment["DOCKER_CONFIG"], !directory.isEmpty { return absolute(directory) }
    return environment["HOME"].map { absolute($0).appending(".docker") }
  }

  /// Where settings and certificates are, the machine's before the user's own.
  static func configurationDirectories(_ environment: [String: String]) -> [FilePath] {
    let own = value("XDG_CONFIG_HOME", environment) ?? environment["HOME"].map { $0 + "/.config" }
    return ["/etc/coracle"] + (own.map { [absolute($0).appending("coracle")] } ?? [])
  }

  static func absolute(_ path: String) -> FilePath {
    path.hasPrefix("/")
      ? FilePath(path) : FilePath(FileManager.default.currentDirectoryPath).appending(path)
  }
}
