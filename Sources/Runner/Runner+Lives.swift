import CLinux
package import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

/// What a shim writes when a container's first process ends and gets a successor, whether a service runs or not.
package struct LifeEntry: Hashable, Sendable {
  package enum Content: Hashable, Sendable {
    /// The first process ended; its shim starts it again at `until` (since 1970, in ns).
    case ended(ExitRecord, until: UInt64)
    /// As the host counts; since 1970, in ns.
    case started(pid: Int32, at: UInt64)
  }
  package var content: Content
  /// Where in the file the next entry begins, in bytes.
  package var end: Int64
}

extension Runner {
  /// What a container's shim has written about its restarts behind an offset; empty for one that was not restarted.
  ///
  /// - Throws: `EngineError.corrupt` for a file that no shim wrote.
  package func lives(_ id: String, after offset: Int64) throws(EngineError) -> [LifeEntry] {
    do {
      let path = file(RunFiles.lives, of: id)
      let file: FileDescriptor
      do {
        file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .noFollow])
      } catch Errno.noSuchFileOrDirectory {
        return []
      }
      return try file.closeAfter {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count < Self.livesLimit {
          let count = try chunk.withUnsafeMutableBytes {
            try file.read(fromAbsoluteOffset: offset + Int64(bytes.count), into: $0)
          }
          if count == 0 { break }
          bytes += chunk[..<count]
        }
        return try Self.entries(bytes, from: offset, of: id)
      }
    } catch {
      throw EngineError("read the restarts of container \(id)", wrapping: error, subject: id)
    }
  }

  /// Gives back the memory of entries that the journal has; the file keeps its length (fallocate(2), punch hole).
  package func forgetLives(_ id: String, before offset: Int64) {
    let whole = offset & ~4095
    guard whole > 0,
      let file = try? FileDescriptor.open(
        file(RunFiles.lives, of: id), .writeOnly, options: [.closeOnExec, .noFollow])
    else { return }
    defer { try? file.close() }
    _ = clinux_punch_hole(file.rawValue, UInt64(whole))
  }

  /// Waits until something changes in what a container's shim says of it, or the shim ends; `look` is called once before, so
  /// that nothing between a look and the waiting is missed.
  ///
  /// - Parameter look: whether to wait at all.
  package func waitForChange(
    _ id: String, unless look: () async throws -> Bool
  ) async throws {
    let changes: FileChanges
    do { changes = try FileChanges(of: directory(of: id)) } catch  where error.errno == .noSuchFileOrDirectory
    {
      return
    }
    if try await look() { return }
    guard let shim = try runningShim(id) else { return }
    try await DescriptorWatcher.shared.readable(changes.descriptor, shim.descriptor)
  }

  /// At a time; the rest is read by the next look.
  private static var livesLimit: Int { 256 << 10 }

  private static func entries(_ bytes: [UInt8], from offset: Int64, of id: String) throws -> [LifeEntry] {
    var entries: [LifeEntry] = []
    var start = 0
    while let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      let words = String(decoding: bytes[start..<newline], as: UTF8.self).split(separator: " ")
      start = newline + 1
      var values: [Substring: UInt64] = [:]
      for word in words.dropFirst() {
        let parts = word.split(separator: "=", maxSplits: 1)
        if parts.count == 2 { values[parts[0]] = UInt64(parts[1]) }
      }
      let content: LifeEntry.Content
      switch (words.first, values["at"]) {
      case ("ended", let at?):
        let wait = WaitStatus(rawValue: CInt(truncatingIfNeeded: values["wait"] ?? 0))
        let record = ExitRecord(
          status: ExitRecord.Status(wait), at: at, shimLost: false, lostOutput: values["lostoutput"] ?? 0)
        content = .ended(record, until: values["until"] ?? at)
      case ("started", let at?):
        content = .started(pid: Int32(truncatingIfNeeded: values["pid"] ?? 0), at: at)
      default:
        throw EngineError(.corrupt, "no shim wrote the restarts of container \(id)", subject: id)
      }
      entries.append(LifeEntry(content: content, end: offset + Int64(start)))
    }
    return entries
  }
}
