import OCIModel
import Testing

@Suite struct ChainIDTests {
  @Test func followsTheSpecification() {
    let layers = ["a", "b", "c"].map { Digest(of: $0.utf8) }
    let chain = ChainID.all(layers)
    #expect(chain.count == 3)
    #expect(chain[0] == layers[0])
    #expect(chain[1] == Digest(of: "\(layers[0]) \(layers[1])".utf8))
    #expect(chain[2] == Digest(of: "\(chain[1]) \(layers[2])".utf8))
  }

  @Test func noLayersHaveNoChain() { #expect(ChainID.all([]) == []) }
}
