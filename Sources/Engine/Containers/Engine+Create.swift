import EngineErrors
import Foundation
import LinuxSystem
import Metadata
import OCIModel
import Runner
import Snapshots
import SystemPackage

extension Engine {
  /// Makes a container from an image: its configuration and a fresh writable layer; nothing runs yet.
  ///
  /// - Throws: `notFound` for the image, `alreadyExists` for the name, `invalidArgument` for an option that
  ///   does not fit. What was begun is undone.
  package func create(_ options: ContainerOptions) async throws -> ContainerSummary {
    try summary(try await make(options))
  }

  func make(_ options: ContainerOptions) async throws -> ContainerRow {
    if let name = options.name { try ContainerName.validate(name) }
    // No service collects what this container is about to use.
    let held = try await locks.holdContent()
    defer { held.release() }

    let image = try image(named: options.image)
    let id = ContainerName.newIdentifier()
    let lowers = image.layers.reversed().map { snapshots.layerDirectory($0.key) }
    let spec = try RuntimeSpec.container(id: id, image: try config(of: image), options: options, lowers: lowers)
    let directories = try snapshots.prepareContainer(id)
    do {
      try writeFile(directories.directory.appending("config.json"), Data(encode(spec)), mode: 0o600)
      let encoder = JSONEncoder()
      let name = try options.name ?? ContainerName.generate { try metadata.container($0) != nil }
      let row = ContainerRow(
        id: id, name: name, imageDigest: image.manifestDigest, imageName: options.image, state: .created,
        createdAt: Timestamp.now, options: String(decoding: try encoder.encode(options), as: UTF8.self))
      try metadata.insertContainer(row, events: [.containerCreated(id, name: name, image: options.image)])
      return row
    } catch {
      try? snapshots.removeContainer(id)
      throw EngineError("create a container of \(options.image)", wrapping: error)
    }
  }

  /// The root file system of a container: its image's layers, and its own writable one on top.
  func root(of row: ContainerRow) throws -> OverlayRoot {
    guard let image = try metadata.image(row.imageDigest) else {
      throw EngineError(
        .corrupt, "the image of container \(row.name) is gone", subject: "\(row.imageDigest)",
        hint: "pull \(row.imageName) again")
    }
    let directory = snapshots.containerDirectory(row.id)
    return OverlayRoot(
      lowers: image.layers.reversed().map { snapshots.layerDirectory($0.key) },
      upper: directory.appending("upper"), work: directory.appending("work"))
  }
}
