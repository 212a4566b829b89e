import Metadata
package import Runner

extension ContainerEngine {
  /// What a container has written, and with `follow` what it writes until it exits.
  package func log(_ name: String, from start: LogReader.Start, follow: Bool) async throws -> LogReader {
    let record = try await current(name)
    return try await runner.log(record.id, at: logPath(record.id), from: start, follow: follow)
  }

  /// The standard input of a running container that was made with an open one.
  package func input(_ name: String) async throws -> ContainerInput {
    try runner.attachInput(try metadata.container(matching: name).id)
  }
}
