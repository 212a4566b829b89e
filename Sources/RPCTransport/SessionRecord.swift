import LinuxSystem
public import SystemPackage

/// A copy of all messages of a session, for whoever writes a client, and for finding out what went wrong in one.
///
/// Each is a line of JSON: `{"from":"client","message":…}`, or `service`. Whatever the messages carry is in it, passwords too,
/// so the file is for its owner alone.
public final class SessionRecord: Sendable {
  public enum Side: String, Sendable {
    case client, service
  }

  private let file: FileDescriptor

  /// Makes the file, `PID-TIME.jsonl`: the kernel gives a number again, and a file of that name may be another user's.
  ///
  /// - Throws: `Errno` of open(2).
  public init(directory: FilePath) throws {
    file = try FileDescriptor.open(
      directory.appending("\(getProcessID())-\(Timestamp.now).jsonl"), .writeOnly,
      options: [.create, .exclusiveCreate, .append, .closeOnExec], permissions: [.ownerRead, .ownerWrite])
  }

  deinit { try? file.close() }

  /// Adds a message. One that cannot be written is left out: a session does not fail for its record.
  func add(_ message: some Sequence<UInt8>, from side: Side) {
    var line = Array(#"{"from":"\#(side.rawValue)","message":"#.utf8)
    // Line breaks between JSON's tokens, the only place for them, are as good as spaces.
    line += message.lazy.map { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") ? UInt8(ascii: " ") : $0 }
    line += Array("}\n".utf8)
    // One call: both threads of a channel add to the file, and each append is whole.
    _ = try? line.withUnsafeBytes { try file.write($0) }
  }
}
