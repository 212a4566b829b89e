import Dockerfile
import LinuxSystem
package import SystemPackage

/// One entry of a context, as a build sees it.
package struct ContextEntry: Hashable, Sendable {
  package var path: String
  package var isDirectory: Bool
  /// In bytes.
  package var size: Int64
  /// The rule that leaves it out, with its file and line; nil for what is there.
  package var ignoredBy: String?
}

extension ContainerEngine {
  /// What a context holds, and what is left out by which rule; of a directory that is left out whole, it alone.
  package func listContext(_ path: FilePath, dockerfile: String?) async throws -> [ContextEntry] {
    var request = BuildRequest()
    request.dockerfile = dockerfile
    guard let root = try await openContext(.directory(path), request) else { return [] }
    return try await untilCancelled { isCancelled in
      try await onBlockingThread("context") {
        var entries: [ContextEntry] = []
        var rest: [(path: String, verdict: IgnoreRules.Verdict)] = [("", root.ignored.root)]
        while let (directory, verdict) = rest.popLast() {
          if isCancelled() { throw CancellationError() }
          let open = try root.descriptor.openDirectoryInRoot(NameText.path("/" + directory))
          for found in try open.descriptor.sortedEntries() {
            guard let status = try open.descriptor.status(of: found.cName) else { continue }
            let path = CopySelection.join(directory, NameText.text(found.name))
            let own = root.ignored.verdict(path, in: verdict)
            let isDirectory = status.kind == .directory
            entries.append(
              ContextEntry(
                path: NameText.shown(path), isDirectory: isDirectory, size: isDirectory ? 0 : status.size,
                ignoredBy: own.isIgnored ? own.rule.flatMap(root.ignored.describe) : nil))
            if isDirectory, !own.isIgnored || root.ignored.mayKeepSomething(in: path) {
              rest.append((path, own))
            }
          }
        }
        return entries.sorted { $0.path < $1.path }
      }
    }
  }
}
