import EngineErrors
import Metadata
package import Runner

extension ContainerEngine {
  /// What a container has written, and with `follow` what it writes until it exits.
  package func log(
    _ name: String, from start: LogReader.Start, times: LogTimes = LogTimes(), follow: Bool
  ) async throws -> LogReader {
    let record = try await current(name)
    return try await runner.log(record.id, at: logPath(record.id), from: start, times: times, follow: follow)
  }

  /// The standard input of a running container that was made with an open one.
  ///
  /// - Throws: `conflict` for one that was not, or that has closed it.
  package func input(_ name: String) async throws -> ContainerInput {
    let record = try metadata.container(matching: name)
    // A terminal can be attached to for its size, whether or not it may be written to.
    guard try options(record).opensStdin else {
      throw EngineError(
        .conflict, "cannot write to container \(record.name): its standard input is closed",
        subject: record.id,
        hint: "it has to be made with an open one", retriable: false)
    }
    return try await runner.attachInput(record.id)
  }

  /// Tells the terminal of a running container its size.
  ///
  /// - Throws: `conflict` for one that has none, or does not run.
  package func resize(_ name: String, to size: TerminalOptions) async throws {
    let record = try metadata.container(matching: name)
    guard try options(record).terminal != nil else {
      throw EngineError(
        .conflict, "container \(record.name) has no terminal", subject: record.id,
        hint: "it has to be made with one", retriable: false)
    }
    try await runner.resize(
      record.id, rows: UInt16(clamping: size.rows), columns: UInt16(clamping: size.columns))
  }
}
