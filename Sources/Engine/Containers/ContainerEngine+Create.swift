import EngineErrors
import Foundation
import LinuxSystem
import Metadata
import OCIModel
import Runner
import Snapshots
import SystemPackage

extension ContainerEngine {
  /// Makes a container from an image: its configuration and a fresh writable layer; nothing runs yet.
  ///
  /// - Throws: `notFound` for the image, `alreadyExists` for the name, `invalidArgument` for an option that
  ///   does not fit. What was begun is undone.
  package func create(_ options: ContainerOptions) async throws -> ContainerSummary {
    let made = try await make(options)
    made.lock.release()
    return try summary(made.record)
  }

  /// A container that nobody else can have touched yet.
  struct NewContainer {
    var record: ContainerRecord
    var spec: RuntimeSpec
    var root: OverlayRoot
    /// Its state lock, the caller's to release.
    var lock: FileLock
  }

  func make(_ options: ContainerOptions) async throws -> NewContainer {
    if let name = options.name { try ContainerName.validate(name) }
    // So that no service collects what this container is about to use.
    let held = try await locks.holdContent()
    defer { held.release() }

    let image = try image(named: options.image)
    let id = ContainerName.newIdentifier()
    let directory = try snapshots.prepareContainer(id)
    do {
      let lock = try await locks.holdContainer(id)
      let root = root(id, of: image)
      let spec = try RuntimeSpec.container(
        id: id, image: config(of: image), options: options, directory: directory, lowers: root.lowers,
        isRootless: configuration.isRootless)
      try writeFiles(of: spec, options, into: directory)
      var options = options
      options.resolvedCommand = spec.process?.args ?? []
      let record = ContainerRecord(
        id: id, name: try freeName(options.name), imageDigest: image.manifestDigest,
        imageName: options.image, createdAt: Timestamp.now,
        options: String(decoding: try encode(options), as: UTF8.self))
      try await metadata.insertContainer(
        record, events: [.containerCreated(id, name: record.name, image: options.image)])
      return NewContainer(record: record, spec: spec, root: root, lock: lock)
    } catch {
      try? snapshots.removeContainer(id)
      throw EngineError("create a container of \(options.image)", wrapping: error)
    }
  }

  private func writeFiles(of spec: RuntimeSpec, _ options: ContainerOptions, into directory: FilePath) throws
  {
    try writeNewFile(directory.appending("config.json"), encode(spec))
    for file in BoundFile.allCases {
      let content = file.content(spec, network: options.network) {
        try? String(contentsOfFile: $0, encoding: .utf8)
      }
      try writeNewFile(directory.appending(file.rawValue), Array(content.utf8))
    }
  }

  private func freeName(_ wanted: String?) throws -> String {
    if let wanted { return wanted }
    return try ContainerName.generate { try metadata.isContainer(named: $0) }
  }

  /// The root file system of a container: its image's layers, and its own writable one on top.
  func root(of record: ContainerRecord) throws -> OverlayRoot {
    guard let image = try metadata.image(record.imageDigest) else {
      throw EngineError(
        .corrupt, "the image of container \(record.name) is gone", subject: "\(record.imageDigest)",
        hint: "pull \(record.imageName) again")
    }
    return root(record.id, of: image)
  }

  private func root(_ id: String, of image: ImageRecord) -> OverlayRoot {
    let directory = snapshots.containerDirectory(id)
    return OverlayRoot(
      lowers: lowers(of: image), upper: directory.appending("upper"), work: directory.appending("work"))
  }

  /// The uppermost first.
  func lowers(of image: ImageRecord) -> [FilePath] {
    image.layers.reversed().map { snapshots.layerDirectory($0.key) }
  }
}
