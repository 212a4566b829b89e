import EngineErrors
import Metadata

extension ContainerEngine {
  /// Gives a container another name, in whatever state it is.
  ///
  /// - Throws: `notFound`; `alreadyExists` for a name that another has; `invalidArgument` for what is no name.
  package func rename(_ name: String, to other: String) async throws {
    try ContainerName.validate(other)
    let record = try metadata.container(matching: name)
    if record.name == other { return }
    let isRenamed = try await metadata.renameContainer(
      record.id, to: other, events: [.containerRenamed(record.id, name: other, previous: record.name)])
    if !isRenamed { throw removedMeanwhile(record) }
    await tellNames(of: (try? metadata.endpoints(container: record.id).map(\.network)) ?? [])
  }
}
