import Layers
import Metadata

extension ContainerEngine {
  /// Writes a container's whole root file system, as its processes would see it without anything mounted, as a tar
  /// archive in an order that does not change. A running container is taken as it is at that moment.
  ///
  /// - Returns: how many bytes there were.
  /// - Throws: `notFound`, and what `writeArchive` throws. Cancellation leaves nothing.
  package func export(_ name: String, to output: ArchiveOutput, reporter: TaskReporter = .silent) async throws
    -> Int64
  {
    let record = try metadata.container(matching: name)
    let root = try root(of: record)
    let xattrs = unpackOptions.overlayXattrs
    return try await reporter.task("export \(record.name)") { progress, _ in
      try await writeArchive(to: output, progress: progress) { sink in
        try MergedTree([root.upper] + root.lowers).write(overlayXattrs: xattrs, sink: sink)
      }
    }
  }
}
