import Foundation
import SystemPackage

/// Where the store and the run directory are: the system's own for root, below the XDG directories for others.
struct StoreLocation {
  var store: FilePath
  var run: FilePath

  /// - Parameters: what the command line names comes first, then the environment, then the default.
  init(store: String?, run: String?, environment: [String: String], userID: UInt32) {
    let home = environment["HOME"] ?? "/"
    let isRoot = userID == 0
    let data = environment["XDG_DATA_HOME"] ?? "\(home)/.local/share"
    // Without a session's run directory, as under cron or su, one beside the others' that is the user's alone.
    let runtime = environment["XDG_RUNTIME_DIR"] ?? "/tmp/coracle-run-\(userID)"
    self.store = FilePath(
      store ?? environment["CORACLE_STORE"] ?? (isRoot ? "/var/lib/coracle" : "\(data)/coracle"))
    self.run = FilePath(
      run ?? environment["CORACLE_RUN"] ?? (isRoot ? "/run/coracle" : "\(runtime)/coracle"))
  }
}
