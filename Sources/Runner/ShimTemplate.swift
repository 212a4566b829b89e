import CLinux
import Glibc
import LinuxSystem
internal import SystemPackage

/// The process that this service's shims are copies of. Ends with this value.
///
/// To execute even a small program takes longer than all that a shim does up to `clone3`.
final class ShimTemplate: Sendable {
  private let process: ProcessDescriptor
  private let control: FileDescriptor

  init(program: FilePath) throws {
    let null = try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
    defer { try? null.close() }
    var ends: [CInt] = [-1, -1]
    try call("socketpair") { clinux_socket_pair(&ends) }
    control = FileDescriptor(rawValue: ends[0])
    let theirs = FileDescriptor(rawValue: ends[1])
    defer { try? theirs.close() }
    do {
      let pid = try spawn(
        program, arguments: ["coracle-shim"], environment: [], descriptors: [null, null, null, theirs])
      // Not reaped by anyone yet, so the number is still this child's.
      process = try ProcessDescriptor(pid: pid)
    } catch {
      try? control.close()
      throw error
    }
  }

  deinit {
    try? control.close()
    _ = try? process.reap()
  }

  /// Makes a shim with the descriptors, which stay the caller's; blocks for that moment. For one caller at a time.
  ///
  /// - Returns: the pid of a child of this service, to be reaped by it; nil when the template has ended: somebody has
  ///   killed it.
  func fork(_ descriptors: [FileDescriptor]) throws(SystemError) -> CInt? {
    let numbers = descriptors.map(\.rawValue)
    var answer: Int32 = 0
    let size = MemoryLayout<Int32>.size
    guard clinux_send_descriptors(control.rawValue, numbers, numbers.count) == 0,
      clinux_receive(control.rawValue, &answer, size, 1) == size
    else { return nil }
    guard answer > 0 else { throw SystemError("clone3", Errno(rawValue: -answer)) }
    return answer
  }
}
