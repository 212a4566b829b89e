package import EngineErrors
import Glibc
import LinuxSystem

/// Holding all processes of a group (cgroup.freeze of v2, the freezer controller of v1).
extension ControlGroup {
  package var canFreeze: Bool { directory(.freezer) != nil }

  package var isFrozen: Bool {
    isUnified
      ? read(.freezer, "cgroup.freeze")?.hasPrefix("1") == true
      : read(.freezer, "freezer.state").map { !$0.hasPrefix("THAWED") } == true
  }

  /// Whether every process is held now, and not only told to be.
  private var isHeld: Bool {
    isUnified
      ? read(.freezer, "cgroup.events")?.contains("frozen 1") == true
      : read(.freezer, "freezer.state")?.hasPrefix("FROZEN") == true
  }

  /// Returns when all processes are held. Blocks.
  ///
  /// - Throws: `EngineError.conflict` when one does not stop, in a system call that nothing interrupts; the others go on then.
  package func freeze() throws(EngineError) {
    do {
      var pause: UInt32 = 50
      try writeFreezer(true)
      while !isHeld {
        guard pause < 4_000_000 else {
          thaw()
          throw EngineError(.conflict, "a process cannot be held: it waits in the kernel", retriable: true)
        }
        usleep(pause)
        pause += pause / 2
        // v1 does not get at those that were forked meanwhile but by being told again.
        if !isUnified { try writeFreezer(true) }
      }
    } catch {
      throw EngineError("hold the processes", wrapping: error)
    }
  }

  package func thaw() { try? writeFreezer(false) }

  private func writeFreezer(_ freezes: Bool) throws {
    guard let directory = directory(.freezer) else { throw SystemError("open", .noSuchFileOrDirectory) }
    if isUnified {
      try Self.write(directory.appending("cgroup.freeze"), freezes ? "1" : "0")
    } else {
      try Self.write(directory.appending("freezer.state"), freezes ? "FROZEN" : "THAWED")
    }
  }
}
