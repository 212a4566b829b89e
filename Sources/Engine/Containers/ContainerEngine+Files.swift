import EngineErrors
package import Layers
import LinuxSystem
import Metadata
package import OCIModel

extension ContainerEngine {
  /// What a container has changed against its image, by path.
  package func diff(_ name: String) async throws -> [LayerChange] {
    let record = try metadata.container(matching: name)
    let root = try root(of: record)
    let mountPoints = RuntimeSpec.mountPoints(try spec(record.id))
    return try await onBlockingThread("diff") {
      try LayerDiff.changes(upper: root.upper, lowers: root.lowers, mountPoints: mountPoints)
    }
  }

  /// Makes an image of a container's image and its writable layer. A running container is taken as it is
  /// at that moment.
  ///
  /// - Throws: `noSpace`; cancellation leaves nothing.
  package func commit(
    _ name: String, as reference: Reference, message: String? = nil, author: String? = nil,
    changes: ImageChanges, reporter: TaskReporter = .silent
  ) async throws -> ImageSummary {
    try refuseDigest(reference)
    let record = try metadata.container(matching: name)
    let addition = try await beginAddition()
    defer { addition.end() }
    let root = try root(of: record)
    let mountPoints = RuntimeSpec.mountPoints(try spec(record.id))
    let base = try image(named: record.imageDigest.description)
    let warnings = LayerWarnings.current
    let layer = try await reporter.task("commit \(record.name)") { progress, _ in
      try await onBlockingThread("commit") { [self] in
        let builder = try LayerBuilder(.none, self, addition)
        do {
          var done: Int64 = 0
          var leftOut: [String] = []
          try LayerDiff.write(
            upper: root.upper, lowers: root.lowers, overlayXattrs: unpackOptions.overlayXattrs,
            mountPoints: mountPoints, warn: { leftOut.append($0) }
          ) { bytes in
            try builder.write(bytes)
            done += Int64(bytes.count)
            progress.report(done)
          }
          return try builder.finish(warnings, leftOut: leftOut)
        } catch {
          builder.abandon()
          throw EngineError("commit container \(record.name)", wrapping: error, subject: record.id)
        }
      }
    }
    let now = timestamp()
    var config = try config(of: base)
    // A history has an entry for each layer, or none means anything.
    let told = config.history ?? []
    let untold = max(0, base.layers.count - told.count(where: { $0.emptyLayer != true }))
    config.created = now
    config.author = author ?? config.author
    config.config = changes.applied(to: config.config ?? .init())
    config.rootfs.diffIDs.append(layer.diffID)
    let command = try options(record).resolvedCommand
    config.history =
      told + (0..<untold).map { _ in .init() } + [
        .init(created: now, createdBy: command.joined(separator: " "), comment: message)
      ]
    let image = try await makeImage(
      config, layers: base.layers + [layer], as: reference, addition
    ) { .imageCommitted($0, reference: reference.description, container: record.id) }
    return try summary(image)
  }
}
