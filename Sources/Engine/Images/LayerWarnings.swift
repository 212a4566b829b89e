package import OCIModel
import Synchronization

/// What layers had in their archives, or trees, and have not any more, collected over one piece of work: sockets, devices
/// that an ordinary user cannot make, attributes that the file system does not take.
package final class LayerWarnings: Sendable {
  /// Of the work that the task at hand belongs to.
  @TaskLocal static var current: LayerWarnings?

  package struct Warning: Hashable, Sendable {
    /// The layer's DiffID.
    package var layer: Digest
    /// A sentence that names the entry.
    package var text: String
  }

  /// An archive has no right to fill the memory.
  private static let most = 100
  private let content = Mutex<[Warning]>([])

  func add(_ texts: [String], of layer: Digest) {
    if texts.isEmpty { return }
    content.withLock { content in
      for text in texts where content.count < Self.most { content.append(Warning(layer: layer, text: text)) }
    }
  }

  /// Runs `body`, and collects what layers lose meanwhile.
  package static func collect<Result>(
    _ body: () async throws -> Result
  ) async rethrows -> (Result, [Warning]) {
    let warnings = LayerWarnings()
    let result = try await $current.withValue(warnings) { try await body() }
    return (result, warnings.content.withLock { $0 })
  }
}
