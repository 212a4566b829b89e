import Foundation

/// What a process holds in memory, by /proc/PID/status (proc(5)).
package enum ProcessMemory {
  /// The most that was ever resident, in bytes.
  package static func peak(_ pid: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    let number = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
    guard let number else { throw TestFailure("process \(pid) has no peak of its memory") }
    return number << 10
  }
}
