import EngineErrors
import Testing

@testable import Engine
@testable import Networking

@Suite("Published ports as they are named")
struct PortMappingTests {
  private func port(
    _ address: String? = nil, _ hostPorts: ClosedRange<UInt16>? = nil, _ containerPort: UInt16 = 80,
    taken: UInt16? = nil
  ) -> PortMapping {
    var port = PortMapping(address: address, hostPorts: hostPorts, containerPort: containerPort)
    port.taken = taken
    return port
  }

  @Test("one that has a port is meant by that, and by none that it might have had")
  func taken() {
    let range: ClosedRange<UInt16> = 8000...8010
    let (first, second) = (port(nil, range, taken: 8000), port(nil, range, taken: 8001))
    #expect(first.isMeant(by: port(nil, 8000...8000)))
    #expect(!second.isMeant(by: port(nil, 8000...8000)))
    #expect(!first.isMeant(by: port(nil, 8005...8005)))
    #expect(port(nil, range).isMeant(by: port(nil, 8005...8005)))
    #expect(first.isMeant(by: port()) && second.isMeant(by: port()))
    #expect(!first.isMeant(by: port(nil, nil, 81)))
  }

  @Test("a port without an address means that of any; with one, of that alone")
  func addresses() {
    let local = port("127.0.0.1", 8081...8081, taken: 8081)
    #expect(local.isMeant(by: port(nil, 8081...8081)))
    #expect(local.isMeant(by: port("127.0.0.1", 8081...8081)))
    #expect(!local.isMeant(by: port("::1", 8081...8081)))
    #expect(!port(nil, 8081...8081, taken: 8081).isMeant(by: port("127.0.0.1", 8081...8081)))
  }

  @Test("a port of the host's is there once: an address is among all of its family, and none is among both")
  func distinct() throws {
    func together(_ addresses: String?..., hostPorts: ClosedRange<UInt16>? = 80...80) throws {
      try PortMapping.requireDistinct(addresses.map { port($0, hostPorts) })
    }
    for pair in [(nil, nil), (nil, "::1"), ("127.0.0.1", nil), ("0.0.0.0", "127.0.0.1"), ("::1", "::1")]
      as [(
        String?, String?
      )]
    {
      #expect(throws: EngineError.self, "\(pair)") { try together(pair.0, pair.1) }
      // The kernel chooses others then.
      try together(pair.0, pair.1, hostPorts: nil)
      try together(pair.0, pair.1, hostPorts: 0...0)
      try together(pair.0, pair.1, hostPorts: 80...81)
    }
    try together("127.0.0.1", "::1", "127.0.0.2")
    try together("0.0.0.0", "::1")
    var datagrams = port(nil, 80...80)
    datagrams.transport = .udp
    try PortMapping.requireDistinct([port(nil, 80...80), datagrams, port(nil, 81...81)])
  }

  @Test(
    "what an image exposes is a port or a range of them",
    arguments: ["80-", "-80", "80-x-90", "x", "", "90-80"])
  func notExposed(text: String) throws {
    #expect(try PortMapping.exposed(text).isEmpty)
  }

  @Test("more ports than a container can have are not left out in silence")
  func tooManyExposed() throws {
    #expect(try PortMapping.exposed("30000-31023/udp").count == 1024)
    #expect(throws: EngineError.self) { try PortMapping.exposed("30000-31999/udp") }
  }

  @Test("ranges suffice for what is to be taken of them, and none takes what another has no other for")
  func overlapping() throws {
    let (range, first) = (port(nil, 8000...8001), port(nil, 8000...8000, 81))
    try PortMapping.requireDistinct([range, first])
    #expect(PortMapping.order([range, first, port(), port(nil, 7000...9000)]) == [1, 0, 3, 2])
    for more in [port(nil, 8001...8001, 82), range, port("127.0.0.1", 8000...8001, 82)] {
      #expect(throws: EngineError.self, "\(more)") { try PortMapping.requireDistinct([range, first, more]) }
    }
    try PortMapping.requireDistinct([range, first, port(nil, 8001...8002, 82)])
    try PortMapping.requireDistinct([
      port("::1", 8000...8001), port("::1", 8000...8000, 81), port("127.0.0.1", 8001...8001, 82),
    ])
    try PortMapping.requireDistinct(Array(repeating: port(nil, 1...65535), count: 1024))
  }

  @Test(
    "an address is nothing more than one", arguments: ["192.0.2.7\0\n1.2.3.4 evil", "::1\0", "192.0.2.7 x"])
  func notAnAddress(text: String) {
    #expect(throws: (any Error).self) { try IPAddress(parsing: text) }
  }
}
