import Metadata
import OCIModel

/// What the engine journals: a kind (`noun.pastTense`), the object it happened to, and what there is to know.
/// The kinds and their attributes are listed in `protocol/event.json`.
extension JournalEvent {
  static func layerFetched(_ digest: Digest, bytes: Int64, reference: String) -> JournalEvent {
    image("layerFetched", digest, ["bytes": .integer(bytes), "reference": .string(reference)])
  }

  static func layerUnpacked(diffID: Digest, bytes: Int64, entries: Int, reference: String) -> JournalEvent {
    image(
      "layerUnpacked", diffID,
      ["bytes": .integer(bytes), "entries": .integer(Int64(entries)), "reference": .string(reference)])
  }

  static func imagePulled(_ digest: Digest, reference: String) -> JournalEvent {
    image("pulled", digest, ["reference": .string(reference)])
  }

  static func imageImported(_ digest: Digest, reference: String) -> JournalEvent {
    image("imported", digest, ["reference": .string(reference)])
  }

  /// - Parameter reference: nil where it came without a name.
  static func imageLoaded(_ digest: Digest, reference: String?) -> JournalEvent {
    image("loaded", digest, reference.map { ["reference": .string($0)] } ?? [:])
  }

  static func imageCommitted(_ digest: Digest, reference: String, container: String) -> JournalEvent {
    image("committed", digest, ["reference": .string(reference), "container": .string(container)])
  }

  static func imagePushed(_ digest: Digest, reference: String) -> JournalEvent {
    image("pushed", digest, ["reference": .string(reference)])
  }

  static func imageTagged(_ digest: Digest, reference: String) -> JournalEvent {
    image("tagged", digest, ["reference": .string(reference)])
  }

  static func imageUntagged(_ digest: Digest, reference: String) -> JournalEvent {
    image("untagged", digest, ["reference": .string(reference)])
  }

  static func imageRemoved(_ digest: Digest) -> JournalEvent {
    image("removed", digest, [:])
  }

  static func containerCreated(_ id: String, name: String, image: String) -> JournalEvent {
    container("created", id, name, ["image": .string(image)])
  }

  /// - Parameter restarts: how often its restart policy has started it; nil where a request did.
  static func containerStarted(_ id: String, name: String, pid: Int32, restarts: Int64? = nil) -> JournalEvent
  {
    var attributes: [String: JournalValue] = ["pid": .integer(Int64(pid))]
    if let restarts { attributes["restarts"] = .integer(restarts) }
    return container("started", id, name, attributes)
  }

  static func containerPaused(_ id: String, name: String) -> JournalEvent {
    container("paused", id, name, [:])
  }

  static func containerUnpaused(_ id: String, name: String) -> JournalEvent {
    container("unpaused", id, name, [:])
  }

  static func containerRenamed(_ id: String, name: String, previous: String) -> JournalEvent {
    container("renamed", id, name, ["previousName": .string(previous)])
  }

  static func containerUpdated(_ id: String, name: String) -> JournalEvent {
    container("updated", id, name, [:])
  }

  static func containerPublished(_ id: String, name: String, _ ports: [PortMapping]) -> JournalEvent {
    container("published", id, name, ["ports": .string(text(ports))])
  }

  static func containerUnpublished(_ id: String, name: String, _ ports: [PortMapping]) -> JournalEvent {
    container("unpublished", id, name, ["ports": .string(text(ports))])
  }

  private static func text(_ ports: [PortMapping]) -> String {
    ports.map(\.description).joined(separator: " ")
  }

  static func containerHealthChanged(_ id: String, name: String, _ health: ContainerHealth) -> JournalEvent {
    container("healthChanged", id, name, ["health": .string(health.rawValue)])
  }

  static func containerOutOfMemory(_ id: String, name: String, kills: Int64) -> JournalEvent {
    container("outOfMemory", id, name, ["kills": .integer(kills)])
  }

  /// - Parameter restartsAt: when its restart policy starts it again, in nanoseconds since 1970.
  static func containerExited(
    _ id: String, name: String, _ exit: ExitStatus, restartsAt: Int64? = nil
  ) -> JournalEvent {
    var attributes: [String: JournalValue] = [
      "exitCode": .integer(Int64(exit.code)), "exitedAt": .integer(exit.at),
    ]
    if let signal = exit.signal { attributes["signal"] = .string(signal.description) }
    if exit.isLost { attributes["lost"] = .boolean(true) }
    if let restartsAt { attributes["restartsAt"] = .integer(restartsAt) }
    return container("exited", id, name, attributes)
  }

  static func containerRemoved(_ id: String, name: String) -> JournalEvent {
    container("removed", id, name, [:])
  }

  static func volumeCreated(_ name: String, isAnonymous: Bool) -> JournalEvent {
    JournalEvent(kind: "volume.created", subject: name, attributes: ["anonymous": .boolean(isAnonymous)])
  }

  static func volumeFilled(_ name: String, entries: Int) -> JournalEvent {
    JournalEvent(kind: "volume.filled", subject: name, attributes: ["entries": .integer(Int64(entries))])
  }

  static func volumeRemoved(_ name: String) -> JournalEvent {
    JournalEvent(kind: "volume.removed", subject: name, attributes: [:])
  }

  private static func image(_ verb: String, _ digest: Digest, _ attributes: [String: JournalValue])
    -> JournalEvent
  {
    JournalEvent(kind: "image.\(verb)", subject: digest.description, attributes: attributes)
  }

  private static func container(
    _ verb: String, _ id: String, _ name: String, _ attributes: [String: JournalValue]
  ) -> JournalEvent {
    JournalEvent(
      kind: "container.\(verb)", subject: id,
      attributes: attributes.merging(["name": .string(name)]) { $1 })
  }
}

extension JournalEvent {
  static func networkCreated(_ id: String, name: String) -> JournalEvent {
    JournalEvent(kind: "network.created", subject: id, attributes: ["name": .string(name)])
  }

  static func networkRemoved(_ id: String, name: String) -> JournalEvent {
    JournalEvent(kind: "network.removed", subject: id, attributes: ["name": .string(name)])
  }

  static func networkConnected(_ id: String, name: String, container: ContainerRecord) -> JournalEvent {
    network("connected", id, name, container)
  }

  static func networkDisconnected(_ id: String, name: String, container: ContainerRecord) -> JournalEvent {
    network("disconnected", id, name, container)
  }

  private static func network(_ verb: String, _ id: String, _ name: String, _ container: ContainerRecord)
    -> JournalEvent
  {
    JournalEvent(
      kind: "network.\(verb)", subject: id,
      attributes: [
        "name": .string(name), "container": .string(container.id), "containerName": .string(container.name),
      ])
  }
}
