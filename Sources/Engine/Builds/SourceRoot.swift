import Dockerfile
import EngineErrors
import LinuxSystem
import SystemPackage

/// A tree that files are copied from: the context, a stage's or an image's files. What is looked up in it stays in it.
final class SourceRoot: Sendable {
  /// As errors call it.
  let name: String
  let ignored: IgnoreRules
  /// Of the context nothing but names, modes and content counts: its owners and attributes are the machine's.
  let isContext: Bool
  private let owned: OwnedDescriptor
  /// What goes when it is not needed any more.
  private let cleanUp: @Sendable () -> Void

  init(
    _ directory: consuming OwnedDescriptor, name: String, ignored: IgnoreRules = IgnoreRules(),
    isContext: Bool, cleanUp: @escaping @Sendable () -> Void = {}
  ) {
    owned = directory
    self.name = name
    self.ignored = ignored
    self.isContext = isContext
    self.cleanUp = cleanUp
  }

  deinit { cleanUp() }

  var descriptor: FileDescriptor { owned.descriptor }
}

/// One file of a copy: where it is, and where it goes.
struct CopyEntry: Sendable {
  /// From the root, without a slash in front.
  var source: String
  /// From the destination.
  var target: String
  var status: FileStatus

  /// Of what decides about a copy. A link that was followed gives its target another name than the file has: both count.
  var name: String {
    if source.isEmpty { return "." }
    let (whole, end) = (source.utf8, target.utf8)
    let isOwn =
      whole.count == end.count
      ? whole.elementsEqual(end)
      : whole.suffix(end.count).elementsEqual(end) && whole.dropLast(end.count).last == UInt8(ascii: "/")
    return isOwn || end.isEmpty ? source : "\(source) as \(target)"
  }
}
