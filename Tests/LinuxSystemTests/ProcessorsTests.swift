import LinuxSystem
import TestSupport
import Testing

@Suite("Processors")
struct ProcessorsTests {
  @Test("as many as the machine says")
  func online() async throws {
    let said = try await ChildProcess.run(["getconf", "_NPROCESSORS_ONLN"])
    #expect("\(onlineProcessors())\n" == String(decoding: said.stdout, as: UTF8.self))
  }
}
