package import EngineErrors
import LinuxSystem
package import SystemPackage

extension Runner {
  /// Reads a container's log.
  ///
  /// - Parameter follow: goes on until the container has ended, and all it wrote was delivered. One that does not run has
  ///   ended.
  package func log(
    _ id: String, at path: FilePath, from start: LogReader.Start, follow: Bool
  ) async throws(EngineError) -> LogReader {
    do {
      let shim = follow ? try runningShim(id) : nil
      let place: LogReader.Place =
        switch start {
        case .beginning: .offset(0)
        case .now: .offset(try await LogCursor.end(of: path, lines: 0).offset)
        case .lastLines(let count): .lastLines(count)
        }
      return LogReader(path: path, start: place, shim: shim)
    } catch {
      throw EngineError("follow the log of container \(id)", wrapping: error, subject: id)
    }
  }
}
