import EngineErrors
import Glibc
import LinuxSystem
import OCIRuntime
import SystemPackage

/// Messages for people on standard error, and for the engine that called in its log file: that is where it looks for the reason
/// of a failure.
struct RuntimeLog {
  var path: FilePath?
  var format: LogFormat
  var isDebug: Bool

  func error(_ error: EngineError) {
    let text = error.description
    // Where the log is standard error itself, as conmon has it, once is enough.
    if path?.string != "/dev/stderr" || format == .text {
      FileDescriptor.standardError.print(
        "coracle-runtime: \(text)\(error.hint.map { "\nhint: \($0)" } ?? "")\n")
    }
    if path?.string != "/dev/stderr" || format == .json { append("error", text) }
  }

  func warning(_ text: String) {
    if path == nil { FileDescriptor.standardError.print("coracle-runtime: warning: \(text)\n") }
    append("warning", text)
  }

  func debug(_ text: String) {
    if isDebug { append("debug", text) }
  }

  private func append(_ level: String, _ text: String) {
    guard let path, let line = try? line(level, text),
      let file = try? FileDescriptor.open(
        path, .writeOnly, options: [.create, .append, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
    else { return }
    file.print(line)
    try? file.close()
  }

  private func line(_ level: String, _ text: String) throws -> String {
    struct Entry: Encodable {
      var level: String
      var msg: String
      var time: String
    }
    let time = OCIRuntime.now()
    switch format {
    case .json:
      return String(decoding: try encodeJSON(Entry(level: level, msg: text, time: time)), as: UTF8.self)
        + "\n"
    case .text:
      return "time=\"\(time)\" level=\(level) msg=\(String(reflecting: text))\n"
    }
  }
}

extension FileDescriptor {
  /// What cannot be written is lost: there is nobody else to tell.
  func print(_ text: String) { _ = try? writeAll(text.utf8) }
}
