package import EngineErrors
import Glibc
import LinuxSystem
package import SystemPackage

extension OCIRuntime {
  /// Creates and starts a container; unless it is detached, hands this process's signals on to it, waits for its end and
  /// deletes it.
  ///
  /// - Returns: the command's exit code, or 128 and its signal; 0 for a detached one.
  package func run(
    _ id: String, bundle: FilePath, _ options: ProcessOptions, isDetached: Bool, keeps: Bool
  ) throws(EngineError) -> Int32 {
    let pid = try create(id, bundle: bundle, options)
    do throws(EngineError) {
      try start(id)
    } catch {
      try? delete(id, force: true)
      throw error
    }
    if isDetached { return 0 }
    let code = try follow(pid)
    if !keeps { try delete(id, force: true) }
    return code
  }

  /// Waits for a child's end, and hands the signals of this process on to it.
  ///
  /// - Returns: its exit code, or 128 and its signal.
  package func follow(_ pid: Int32) throws(EngineError) -> Int32 {
    do {
      return try waitForwardingSignals(pid).exitCode
    } catch {
      throw EngineError("wait for the container's process", error)
    }
  }
}
