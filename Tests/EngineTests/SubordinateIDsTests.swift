import Testing

@testable import Engine

@Suite("Subordinate ids")
struct SubordinateIDsTests {
  @Test("lines of the user's name and number count, others and broken ones do not")
  func parsing() {
    let text = "other:1:10\nme:100000:65536\n1000:300000:5\nme:bad:1\nme:4294967295:9\nme:7:0\nme:1\n"
    let ids = SubordinateIDs(text, name: "me", userID: 1000)
    #expect(ids.ranges == [100000..<165536, 300000..<300005])
    #expect(SubordinateIDs(text, name: nil, userID: 5).ranges.isEmpty)
  }

  @Test("the user is root inside, and the ranges follow without a hole")
  func map() {
    let ids = SubordinateIDs("me:100000:10\nme:500:2\n", name: "me", userID: 1000)
    #expect(
      ids.mapArguments(of: 42, own: 1000)
        == ["42", "0", "1000", "1", "1", "100000", "10", "11", "500", "2"])
  }

  @Test("an id that is there twice counts once, and the user's own only as root's")
  func overlaps() {
    let ids = SubordinateIDs(
      "me:100:10\nme:100:10\nme:105:10\nme:90:100\nme:1000:3\n", name: "me", userID: 1001)
    #expect(ids.ranges == [100..<110, 110..<115, 90..<100, 115..<190, 1000..<1003])
    let own = SubordinateIDs("me:1000:3\n", name: "me", userID: 1001)
    #expect(
      own.mapArguments(of: 42, own: 1001)
        == ["42", "0", "1001", "1", "1", "1000", "1", "2", "1002", "1"])
  }
}
