import Testing

@testable import Service

@Suite("Which requests wait for which")
struct RequestOrderTests {
  private typealias Effects = RequestOrder.Effects

  @Test("requests about different things do not wait")
  func independent() {
    var order = RequestOrder()
    #expect(order.admit(1, Effects(changes: [.image("a")])) == [])
    #expect(order.admit(2, Effects(changes: [.image("b")])) == [])
    #expect(order.admit(3, Effects(observes: [.container("a")])) == [])
  }

  @Test("whoever looks at a thing waits for the earlier change of it")
  func observerWaits() {
    var order = RequestOrder()
    _ = order.admit(1, Effects(changes: [.image("a")]))
    #expect(order.admit(2, Effects(observes: [.image("a")])) == [1])
    #expect(order.admit(3, Effects(observes: [.allImages])) == [1])
  }

  @Test("changes of one thing come one after the other")
  func changesInOrder() {
    var order = RequestOrder()
    _ = order.admit(1, Effects(changes: [.container("c")]))
    #expect(order.admit(2, Effects(changes: [.container("c")])) == [1])
    #expect(order.admit(3, Effects(changes: [.container("c")])) == [1, 2])
  }

  @Test("a long look holds up no change")
  func observersHoldNobody() {
    var order = RequestOrder()
    _ = order.admit(1, Effects(observes: [.container("c")]))
    #expect(order.admit(2, Effects(changes: [.container("c")])) == [])
  }

  @Test("a settled change is waited for no more")
  func settled() {
    var order = RequestOrder()
    _ = order.admit(1, Effects(changes: [.container("c")]))
    order.settle(1)
    #expect(order.admit(2, Effects(observes: [.container("c")])) == [])
  }
}
