import Metadata
import OCIModel

/// The image that a stage begins with, and what its name was in earlier builds.
struct BaseImage: Sendable {
  /// As the file has it.
  var name: String
  var image: BuildBase
  /// The last one first; it may be the same.
  var earlier: [BuildBase]

  /// Those that were another one.
  var others: [BuildBase] { earlier.filter { $0.config != image.config } }

  func change(from other: BuildBase) -> String { "\(name) was \(other.manifest) and is \(image.manifest)" }

  /// What is different from the last build that began with it; nil where nothing is.
  var change: String? {
    guard let last = earlier.first, last.config != image.config else { return nil }
    return change(from: last)
  }
}
