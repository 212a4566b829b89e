import CLinux
import EngineErrors
import LinuxSystem
import SystemPackage

/// Requests to a netlink subsystem and their answers, one after the other.
final class NetlinkConversation {
  private let socket: NetlinkSocket
  private var sequence: UInt32 = 0

  /// In the calling thread's network namespace.
  init(_ subsystem: NetlinkSocket.Subsystem) throws(SystemError) { socket = try NetlinkSocket(subsystem) }

  /// Sends a request and waits until the kernel has done it.
  ///
  /// - Parameters:
  ///   - operation: for the error.
  ///   - fill: adds the family's header and the attributes.
  /// - Returns: what it answered, without the acknowledgement.
  /// - Throws: `NetlinkRefusal`, or `SystemError` from the socket.
  @discardableResult
  func request(
    _ operation: String, _ kind: Int, flags: Int32 = 0, _ fill: (inout NetlinkMessage) -> Void
  ) throws -> [NetlinkAnswer] {
    // What changed while the kernel listed it may be missing; it says so, and is asked again.
    for _ in 0..<8 {
      if let answers = try ask(operation, kind, flags, fill) { return answers }
    }
    throw NetlinkRefusal(operation, .resourceTemporarilyUnavailable)
  }

  /// - Returns: nil for a list that was not made in one piece.
  private func ask(
    _ operation: String, _ kind: Int, _ flags: Int32, _ fill: (inout NetlinkMessage) -> Void
  ) throws -> [NetlinkAnswer]? {
    sequence &+= 1
    let isDump = flags & NLM_F_DUMP == NLM_F_DUMP
    var message = NetlinkMessage(
      UInt16(truncatingIfNeeded: kind),
      flags: UInt16(truncatingIfNeeded: flags | (isDump ? 0 : NLM_F_ACK)), sequence: sequence)
    fill(&message)
    try socket.send(message.finished())
    var answers: [NetlinkAnswer] = []
    var isWhole = true
    while true {
      // One whose answer was not waited for, since something was thrown before, is skipped.
      for answer in NetlinkAnswer.all(in: try socket.receive()) where answer.sequence == sequence {
        // NLM_F_DUMP_INTR
        if isDump, answer.flags & 0x10 != 0 { isWhole = false }
        switch CInt(answer.kind) {
        case NLMSG_ERROR:
          let number = answer.body.number(Int32.self, at: 0) ?? -EIO
          if number == 0 { return answers }
          throw NetlinkRefusal(operation, Errno(rawValue: 0 &- number), answer)
        case NLMSG_DONE:
          if let number = answer.body.number(Int32.self, at: 0), number < 0 {
            throw NetlinkRefusal(operation, Errno(rawValue: 0 &- number))
          }
          return isWhole ? answers : nil
        default: answers.append(answer)
        }
      }
    }
  }
}

/// The kernel's refusal of a request.
struct NetlinkRefusal: Error, Sendable {
  var operation: String
  var errno: Errno
  /// The kernel's own words, where it has any.
  var words: String?

  init(_ operation: String, _ errno: Errno, _ answer: NetlinkAnswer? = nil) {
    self.operation = operation
    self.errno = errno
    // Behind the error come the request's header and, unless it was capped (NLM_F_CAPPED), the rest of it; then attributes.
    guard let answer, answer.flags & 0x200 != 0, let size = answer.body.number(UInt32.self, at: 4) else {
      return
    }
    let request = answer.flags & 0x100 != 0 ? 16 : Int(size)
    words = answer.attributes(after: 4 + (request + 3) & ~3).text(1)
  }

  /// As an error of the engine's.
  var engineError: EngineError {
    var error = EngineError(operation, wrapping: SystemError("netlink", errno))
    if let words { error.causes.append(words) }
    return error
  }
}

extension Errno {
  /// ENODEV.
  static let noSuchDevice = Errno(rawValue: 19)
}
