import ArgumentParser
import RPCModel

/// An error as a person reads it: what failed, why, and what to do.
struct ErrorText {
  var lines: [String]

  init(_ error: any Error) {
    guard let error = error as? RPCError else {
      lines = ["\(error)"]
      return
    }
    lines = [error.message]
    lines += (error.data?.causes ?? []).map { "  because: \($0)" }
    if let hint = error.data?.hint { lines.append("  hint: \(hint)") }
  }

  /// The same for a program: `{"error": …}`, with what a response would have.
  static func json(_ error: any Error) -> [UInt8] {
    let error =
      error as? RPCError
      ?? RPCError(
        code: ErrorCode.requestFailed, message: "\(error)",
        data: (error as? ValidationError).map { _ in
          ErrorData(kind: .invalidArgument, retriable: false, causes: [])
        })
    return Array(#"{"error":"#.utf8) + JSONWriter.bytes(of: error) + Array("}".utf8)
  }

  /// That of a command which failed with it: 130 where it was cancelled, a shell's where a command cannot be executed, else 1.
  static func status(_ error: any Error) -> Int32 {
    let data = (error as? RPCError)?.data
    return data?.kind == .cancelled ? 130 : Int32(clamping: data?.exitCode ?? 1)
  }
}
