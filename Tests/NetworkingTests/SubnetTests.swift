import EngineErrors
import Networking
import Testing

struct SubnetTests {
  @Test(arguments: ["10.89.0.2", "255.255.255.255", "0.0.0.0", "fd00:1::2", "::", "::1", "fe80::1:2:3:4"])
  func anAddressIsWrittenAsItIsRead(_ text: String) throws {
    #expect(try IPAddress(parsing: text).description == text)
  }

  @Test(arguments: [
    "", "10.89.0", "10.89.0.256", "10.89.0.2/24", "fd00::1%eth0", "localhost", " 10.0.0.1", ":::",
  ])
  func whatIsNoAddressIsRefused(_ text: String) {
    #expect(throws: EngineError.self) { try IPAddress(parsing: text) }
  }

  @Test(arguments: ["10.89.0.0/24", "0.0.0.0/0", "10.89.0.7/32", "fd00:1::/64", "::/0", "::1/128"])
  func aRangeIsWrittenAsItIsRead(_ text: String) throws {
    #expect(try Subnet(parsing: text).description == text)
  }

  @Test(arguments: [
    "10.89.0.1/24", "10.89.0.0", "10.89.0.0/33", "10.89.0.0/-1", "fd00:1::/129", "10.0.0.0/8/8", "/8",
  ])
  func whatIsNoRangeIsRefused(_ text: String) {
    #expect(throws: EngineError.self) { try Subnet(parsing: text) }
  }

  @Test func aRangeCountsItsAddresses() throws {
    let subnet = try Subnet(parsing: "10.89.4.0/22")
    #expect(subnet.lastNumber == 1023)
    #expect(subnet.address(1).description == "10.89.4.1")
    #expect(subnet.address(1023).description == "10.89.7.255")
    #expect(subnet.number(of: try IPAddress(parsing: "10.89.5.0")) == 256)
    #expect(subnet.number(of: try IPAddress(parsing: "10.89.8.0")) == nil)
    #expect(subnet.number(of: try IPAddress(parsing: "fd00::1")) == nil)
    #expect(try Subnet(parsing: "::/0").lastNumber == .max)
  }

  @Test func rangesOverlapWhereOneIsInTheOther() throws {
    let subnet = try Subnet(parsing: "10.89.4.0/22")
    for other in ["10.89.5.0/24", "10.0.0.0/8", "10.89.4.0/22", "0.0.0.0/0"] {
      #expect(subnet.overlaps(try Subnet(parsing: other)), "\(other)")
    }
    for other in ["10.89.8.0/22", "10.89.0.0/22", "::/0"] {
      #expect(!subnet.overlaps(try Subnet(parsing: other)), "\(other)")
    }
  }
}
