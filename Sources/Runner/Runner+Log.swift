package import EngineErrors
import LinuxSystem
package import SystemPackage

extension Runner {
  /// Reads a container's log.
  ///
  /// - Parameters:
  ///   - times: what else is left out; lines are counted in what is left.
  ///   - follow: goes on until the container has ended, and all it wrote was delivered, or until the time is over. One that
  ///     does not run has ended.
  package func log(
    _ id: String, at path: FilePath, from start: LogReader.Start, times: LogTimes = LogTimes(), follow: Bool
  ) async throws(EngineError) -> LogReader {
    do {
      let end = follow ? try lifeEnd(id) : nil
      let place: LogReader.Place =
        switch start {
        case .beginning: .position(0)
        case .now: .position(try await onBlockingThread("log") { try LogWalk.end(of: path) })
        case .lastLines(let count): .lastLines(count)
        }
      return LogReader(path: path, start: place, times: times, end: end)
    } catch {
      throw EngineError("follow the log of container \(id)", wrapping: error, subject: id)
    }
  }
}
