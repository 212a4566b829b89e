internal import CLinux
internal import SystemPackage

/// What /proc/PID/stat says of a process at one moment (proc_pid_stat(5)).
package struct ProcessStatus: Sendable {
  package let parent: CInt
  package let session: CInt
  package let isZombie: Bool
  /// In clock ticks since boot: with the pid, it names one process for good.
  package let startTime: UInt64

  /// Nil if there is no such process, or no /proc.
  package init?(pid: CInt) {
    guard
      let file = try? FileDescriptor.open(FilePath("/proc/\(pid)/stat"), .readOnly, options: .closeOnExec)
    else { return nil }
    defer { try? file.close() }
    let bytes = [UInt8](unsafeUninitializedCapacity: 1024) { buffer, count in
      count = (try? file.read(into: UnsafeMutableRawBufferPointer(buffer))) ?? 0
    }
    // The name, in parentheses, may hold anything: the fields are counted from its end.
    guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
      .map { String(decoding: $0, as: UTF8.self) }
    guard fields.count > 19, let parent = CInt(fields[1]), let session = CInt(fields[3]),
      let startTime = UInt64(fields[19])
    else { return nil }
    self.parent = parent
    self.session = session
    isZombie = fields[0] == "Z" || fields[0] == "X"
    self.startTime = startTime
  }
}
