import EngineErrors
import Glibc
import SystemPackage

/// The descriptors from 3 on that this program's caller wants a process of the container to have: the sockets that systemd
/// passes (sd_listen_fds(3)), and then as many as `--preserve-fds` says.
struct PassedDescriptors {
  let descriptors: [FileDescriptor]
  /// What tells the process of sockets.
  let environment: [String]

  /// Those that were open when this program began: what is opened later is closed on exec, and nobody's but its own.
  ///
  /// - Throws: `invalidArgument` for one that is not there.
  init(_ count: Int, withSockets: Bool) throws(EngineError) {
    func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
    let sockets = withSockets ? variable("LISTEN_FDS").flatMap { Int($0) } ?? 0 : 0
    guard (0...64).contains(count), (0...64).contains(sockets), count + sockets <= 64 else {
      throw EngineError(
        .invalidArgument, "at most 64 descriptors are passed on to a container", subject: "--preserve-fds")
    }
    for number in 3..<3 + Int32(count + sockets) {
      let flags = fcntl(number, F_GETFD)
      guard flags >= 0, flags & FD_CLOEXEC == 0 else {
        throw EngineError(
          .invalidArgument, "descriptor \(number), which is to be passed on, is not open",
          subject: "--preserve-fds")
      }
    }
    descriptors = (3..<3 + Int32(count + sockets)).map { FileDescriptor(rawValue: $0) }
    var environment: [String] = []
    if sockets > 0 {
      environment = ["LISTEN_FDS=\(sockets)", "LISTEN_PID=1"]
      if let names = variable("LISTEN_FDNAMES") { environment.append("LISTEN_FDNAMES=\(names)") }
    }
    self.environment = environment
  }
}
