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

  /// That of a command which failed with it: 130 where it was cancelled, a shell's where a command cannot be executed, else 1.
  static func status(_ error: any Error) -> Int32 {
    let data = (error as? RPCError)?.data
    return data?.kind == .cancelled ? 130 : Int32(clamping: data?.exitCode ?? 1)
  }
}
