/// The name of a stack of layers (OCI image specification, "Layer ChainID").
package enum ChainID {
  /// The ChainID of each prefix of `diffIDs`, the lowest layer first.
  package static func all(_ diffIDs: [Digest]) -> [Digest] {
    var chain: [Digest] = []
    for diffID in diffIDs {
      if let below = chain.last {
        chain.append(Digest(of: "\(below) \(diffID)".utf8))
      } else {
        chain.append(diffID)
      }
    }
    return chain
  }

  /// A name of the same kind for a layer with nothing below it, whose ChainID is its DiffID: one that says where it lies.
  package static func ofBottom(_ diffID: Digest) -> Digest { Digest(of: "nothing \(diffID)".utf8) }
}
