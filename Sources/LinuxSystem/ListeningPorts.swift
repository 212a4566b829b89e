internal import SystemPackage

/// The TCP ports on which a process's network has listening sockets (`/proc/PID/net/tcp` and `tcp6`, proc(5)).
package struct ListeningPorts {
  private var ports: Set<UInt16> = []
  private static let listening = "0A"

  /// Empty for a process that is gone.
  package init(ofProcess pid: Int32) {
    for name in ["tcp", "tcp6"] {
      guard let text = try? readSmallFile(FilePath("/proc/\(pid)/net/\(name)"), limit: 4 << 20) else {
        continue
      }
      take(text)
    }
  }

  init(table: String) { take(table) }

  package func contains(_ port: UInt16) -> Bool { ports.contains(port) }

  /// A line is `sl local_address rem_address st …`, the address as `0100007F:1F90`.
  private mutating func take(_ table: String) {
    for line in table.split(separator: "\n").dropFirst() {
      let fields = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: true)
      guard fields.count > 3, fields[3] == Self.listening, let colon = fields[1].lastIndex(of: ":"),
        let port = UInt16(fields[1][fields[1].index(after: colon)...], radix: 16)
      else { continue }
      ports.insert(port)
    }
  }
}
