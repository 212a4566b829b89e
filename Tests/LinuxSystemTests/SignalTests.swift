import LinuxSystem
import Testing

@Suite("Signals by their names")
struct SignalTests {
  @Test(
    arguments: [
      ("SIGTERM", 15), ("term", 15), ("9", 9), ("RTMIN", 34), ("SIGRTMIN+3", 37), ("SIGRTMAX", 64),
      ("SIGRTMAX-3", 61), ("rtmax-30", 34), ("SIGRTMAX-31", nil), ("RTMAX--1", nil), ("RTMAX-", nil),
      ("RTMIN+31", nil), ("65", nil), ("0", nil), ("SIGNOPE", nil),
    ] as [(String, Int32?)])
  func names(_ text: String, _ number: Int32?) {
    #expect(Signal(text)?.rawValue == number)
  }
}
