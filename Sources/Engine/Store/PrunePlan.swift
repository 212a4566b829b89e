import Metadata
import OCIModel

/// What to look at when a store is pruned.
package struct PruneScope: Sendable {
  /// Volumes and what builds keep are among it only where somebody says so.
  package var kinds = Set(PruneKind.allCases).subtracting([.buildCache, .cacheMount, .volume, .network])
  /// Whether images that have names are unused when no container needs them.
  package var includesNamedImages = false
  /// Whether volumes that somebody has named are unused when no container needs them.
  package var includesNamedVolumes = false
  /// Only what has been of no use for so long, in nanoseconds.
  package var unusedFor: Int64 = 0
  /// How much of what builds keep may stay, in bytes; what was of no use for longest goes. Nil where all may go that is due.
  package var keepsBuildBytes: Int64?

  package init() {}
}

package enum PruneKind: String, Sendable, CaseIterable {
  case container, image, download, content, remains, buildCache, cacheMount, volume, network
}

/// Something that may go from the store.
package struct PruneItem: Sendable {
  package var id: String
  /// Nil for one that no plan has (any more).
  package var kind: PruneKind?
  /// What a person calls it.
  package var name: String?
  /// What its removal alone gives back.
  package var bytes: Int64
  /// Why it may go, or why it was kept.
  package var reason: String
  /// Nil in a plan.
  package var isRemoved: Bool?
}

/// What may go, or what became of what was to go.
package struct PrunePlan: Sendable {
  package var items: [PruneItem]
  /// What all of it gives back together.
  package var bytes: Int64
  /// Why leftovers were not looked at; nil where they were.
  package var incomplete: String?
}
