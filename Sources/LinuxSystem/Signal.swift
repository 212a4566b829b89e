/// A signal by its number, as `kill(2)` takes it (signal(7)).
package struct Signal: Hashable, Sendable, CustomStringConvertible {
  package let rawValue: Int32
  package init(rawValue: Int32) { self.rawValue = rawValue }

  package static let interrupt = Signal(rawValue: 2)
  package static let kill = Signal(rawValue: 9)
  package static let terminate = Signal(rawValue: 15)

  /// Reads `SIGTERM`, `TERM` or `15`, in any case; nil for anything else.
  package init?(_ text: some StringProtocol) {
    if let number = Int32(text) {
      guard (1...64).contains(number) else { return nil }
      self.init(rawValue: number)
      return
    }
    var name = text.uppercased()
    if name.hasPrefix("SIG") { name.removeFirst(3) }
    if let number = Self.names.first(where: { $0.value == name })?.key {
      self.init(rawValue: number)
    } else if name.hasPrefix("RTMIN+"), let offset = Int32(name.dropFirst(6)), (0...30).contains(offset) {
      self.init(rawValue: 34 + offset)
    } else if name.hasPrefix("RTMAX-"), let offset = Int32(name.dropFirst(6)), (0...30).contains(offset) {
      self.init(rawValue: 64 - offset)
    } else if name == "RTMIN" {
      self.init(rawValue: 34)
    } else if name == "RTMAX" {
      self.init(rawValue: 64)
    } else {
      return nil
    }
  }

  /// With `SIG` in front.
  package var description: String {
    if let name = Self.names[rawValue] { return "SIG\(name)" }
    return rawValue == 34 ? "SIGRTMIN" : "SIGRTMIN+\(rawValue - 34)"
  }

  private static let names: [Int32: String] = [
    1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 10: "USR1",
    11: "SEGV", 12: "USR2", 13: "PIPE", 14: "ALRM", 15: "TERM", 16: "STKFLT", 17: "CHLD", 18: "CONT",
    19: "STOP", 20: "TSTP", 21: "TTIN", 22: "TTOU", 23: "URG", 24: "XCPU", 25: "XFSZ", 26: "VTALRM",
    27: "PROF", 28: "WINCH", 29: "IO", 30: "PWR", 31: "SYS",
  ]
}
