package import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

/// When a shim starts its container again.
package struct RestartRule: Hashable, Sendable {
  /// Only for an exit code other than 0.
  package var onFailureOnly: Bool
  /// In a row; nil is without an end.
  package var maximum: UInt64?

  package init(onFailureOnly: Bool, maximum: UInt64? = nil) {
    self.onFailureOnly = onFailureOnly
    self.maximum = maximum
  }
}

extension Runner {
  /// Says when a container's shim is to start it again: it reads that whenever the first process ends. Nil is never.
  ///
  /// - Throws: `EngineError` from the file system.
  package func setRestartRule(_ id: String, _ rule: RestartRule?) throws(EngineError) {
    let path = file(RunFiles.restart, of: id)
    do {
      guard let rule else {
        if path.withPlatformString({ unlink($0) }) != 0, errno != ENOENT, errno != ENOTDIR {
          throw SystemError("unlink", Errno(rawValue: errno), on: path.string)
        }
        return
      }
      try makeDirectories(directory(of: id), mode: 0o700)
      try RunFiles.write(path, [("failure", rule.onFailureOnly ? 1 : 0), ("most", rule.maximum ?? 0)])
    } catch {
      throw EngineError("set the restart policy of container \(id)", wrapping: error, subject: id)
    }
  }

  package func hasRestartRule(_ id: String) -> Bool {
    file(RunFiles.restart, of: id).withPlatformString { access($0, F_OK) } == 0
  }

  /// Ends a container that waits for its next start: its shim writes the exit record of the last one. To be called after
  /// `setRestartRule` with nil. Nothing happens to a container that runs or has exited.
  package func endPause(_ id: String) throws(EngineError) {
    do {
      guard case .restarting = try state(id), let shim = try runningShim(id) else { return }
      try shim.signal(SIGTERM)
    } catch let error as SystemError where error.errno == .noSuchProcess {
      return
    } catch {
      throw EngineError("end the restarts of container \(id)", wrapping: error, subject: id)
    }
  }
}
