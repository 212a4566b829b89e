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
}
