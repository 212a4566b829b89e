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
  ) throws(EngineError) -> LogReader {
    do {
      return LogReader(path: path, start: start, shim: follow ? try runningShim(id) : nil)
    } catch {
      throw EngineError("follow the log of container \(id)", wrapping: error, subject: id)
    }
  }
}
