import CLinux
package import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

/// The service's end of an exec session's terminal. Closed with the value, which hangs up whoever has it open still.
package final class ExecTerminal: Sendable {
  let master: FileDescriptor

  init(_ master: FileDescriptor) throws(SystemError) {
    self.master = master
    try master.setNonBlocking()
  }

  deinit { try? master.close() }

  /// Tells its foreground process group of another size (SIGWINCH).
  package func resize(rows: UInt16, columns: UInt16) throws(EngineError) {
    do {
      try call("ioctl") { clinux_set_terminal_size(master.rawValue, UInt32(rows), UInt32(columns)) }
    } catch {
      throw EngineError("resize a terminal", error)
    }
  }

  /// Writes as from a keyboard. Waits while nobody reads.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled; `Errno` from write(2).
  package func write(_ bytes: [UInt8]) async throws { try await master.writeAsItFits(bytes) }

  /// Types the end-of-file character, twice where a line was begun: the first one ends the line only.
  package func writeEnd(isAtLineStart: Bool) async throws {
    var isCanonical: CInt = 0
    let character = clinux_end_character(master.rawValue, &isCanonical)
    guard let byte = UInt8(exactly: character) else { return }
    try await write(Array(repeating: byte, count: isCanonical != 0 && !isAtLineStart ? 2 : 1))
  }

  /// What is there to be read now, at most 64 KiB; empty if nothing is; nil when nobody has the terminal open any more.
  func readAvailable() throws -> [UInt8]? {
    let limit = 64 << 10
    var isOver = false
    let bytes = try [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      // One read gives 4 KiB at most.
      while count < limit, master.isReadable {
        do {
          let target = UnsafeMutableRawBufferPointer(
            rebasing: UnsafeMutableRawBufferPointer(buffer)[count...])
          let read = try master.read(into: target)
          if read == 0 { isOver = true }
          count += read
        } catch Errno.ioError {
          isOver = true
        } catch Errno.resourceTemporarilyUnavailable {
          break
        }
        if isOver { break }
      }
    }
    return isOver && bytes.isEmpty ? nil : bytes
  }
}

extension FileDescriptor {
  /// Whether a read would not wait now: for bytes, or for an end.
  var isReadable: Bool {
    var entry = pollfd(fd: rawValue, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) > 0
  }
}
