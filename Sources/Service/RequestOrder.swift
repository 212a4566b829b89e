/// Which requests of one session wait for which: the rule that lets a client send several without waiting for
/// the answers, and still get what it would get one by one.
///
/// A request waits for each earlier one that changes something which it looks at or changes itself. All others run
/// at the same time. What a request looks at is taken from its parameters as they are written: a container by name
/// and by id are two subjects. A request is never held up by a later one, so there is no cycle.
struct RequestOrder {
  /// What a request is about.
  enum Subject: Hashable, Sendable {
    case image(String)
    case container(String)
    case allImages
    case allContainers
    case network(String)
    case allNetworks
    case volume(String)
    case allVolumes
    /// For registries.
    case credentials
  }

  /// What a request does to its subjects.
  struct Effects: Sendable {
    var observes: Set<Subject> = []
    var changes: Set<Subject> = []

    static let none = Effects()
  }

  private var changing: [Int: Set<Subject>] = [:]

  /// Takes in a request, in the order of arrival, and answers the earlier ones that it has to wait for.
  mutating func admit(_ request: Int, _ effects: Effects) -> Set<Int> {
    let subjects = effects.observes.union(effects.changes)
    let earlier = changing.filter { $0.value.contains { change in subjects.contains { change.meets($0) } } }
    if !effects.changes.isEmpty { changing[request] = effects.changes }
    return Set(earlier.keys)
  }

  /// Says that the changes of a request are done, or will not come.
  mutating func settle(_ request: Int) {
    changing[request] = nil
  }
}

extension RequestOrder.Subject {
  /// Whether both speak of one thing.
  fileprivate func meets(_ other: RequestOrder.Subject) -> Bool {
    switch (self, other) {
    case (.allImages, .image), (.image, .allImages), (.allImages, .allImages): true
    case (.allContainers, .container), (.container, .allContainers), (.allContainers, .allContainers): true
    case (.allNetworks, .network), (.network, .allNetworks), (.allNetworks, .allNetworks): true
    case (.allVolumes, .volume), (.volume, .allVolumes), (.allVolumes, .allVolumes): true
    default: self == other
    }
  }
}
