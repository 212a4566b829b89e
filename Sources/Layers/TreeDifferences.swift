package import EngineErrors
import LinuxSystem
package import SystemPackage

/// A file that two trees of one layer do not have alike.
package struct TreeDifference: Hashable, Sendable {
  package enum Aspect: String, Sendable, CaseIterable {
    case type, content, mode, owner, time, attributes
  }

  /// Absolute, in the layer.
  package var path: String
  /// What the second tree has against the first.
  package var kind: LayerChange.Kind
  /// Empty where only one of them has it.
  package var aspects: [Aspect]
}

/// All that is different between two trees, where `TreeComparison` only says whether anything is.
package struct TreeDifferences {
  private let isCancelled: () -> Bool

  /// - Parameter isCancelled: asked now and then, on the thread that compares.
  package init(isCancelled: @escaping () -> Bool) { self.isCancelled = isCancelled }

  /// Reads both trees to the end. Blocks.
  ///
  /// - Parameters:
  ///   - tree: nil where there is none: all of the other one is added then.
  ///   - other: what is new in it counts as added; nil where there is none.
  /// - Returns: sorted by path.
  /// - Throws: `cancelled`, and what reading fails with.
  package func find(_ tree: FilePath?, _ other: FilePath?) throws(EngineError) -> [TreeDifference] {
    do {
      let one = try Listing(tree, isCancelled)
      let two = try Listing(other, isCancelled)
      return try differences(one, two)
    } catch {
      throw EngineError("compare two layers", wrapping: error, subject: (other ?? tree)?.string)
    }
  }

  private func differences(_ one: Listing, _ two: Listing) throws -> [TreeDifference] {
    var found: [TreeDifference] = []
    for path in Set(one.entries.keys).union(two.entries.keys).sorted(by: { $0.lexicographicallyPrecedes($1) })
    {
      if isCancelled() { throw EngineError.cancelled("comparing two layers") }
      let text = "/" + String(decoding: path, as: UTF8.self)
      switch (one.entries[path], two.entries[path]) {
      case (let before?, let after?):
        let aspects = try aspects(path, before, after, one, two)
        if !aspects.isEmpty {
          found.append(TreeDifference(path: text, kind: .modified, aspects: aspects))
        }
      case (nil, _): found.append(TreeDifference(path: text, kind: .added, aspects: []))
      case (_, nil): found.append(TreeDifference(path: text, kind: .deleted, aspects: []))
      }
    }
    return found
  }

  private func aspects(
    _ path: [UInt8], _ before: FileStatus, _ after: FileStatus, _ one: Listing,
    _ two: Listing
  ) throws -> [TreeDifference.Aspect] {
    if before.kind != after.kind { return [.type] }
    var aspects: [TreeDifference.Aspect] = []
    switch before.kind {
    case .regular:
      let file = try one.file(path)
      let other = try two.file(path)
      if before.size != after.size {
        aspects.append(.content)
      } else if try !isSame(file.descriptor, other.descriptor) {
        aspects.append(.content)
      }
      if try file.descriptor.extendedAttributes() != other.descriptor.extendedAttributes() {
        aspects.append(.attributes)
      }
    case .symbolicLink:
      if try one.linkTarget(path) != two.linkTarget(path) { aspects.append(.content) }
    case .directory:
      let directory = try one.directory(path)
      let other = try two.directory(path)
      if try directory.descriptor.extendedAttributes() != other.descriptor.extendedAttributes() {
        aspects.append(.attributes)
      }
    default:
      if before.device != after.device { aspects.append(.attributes) }
    }
    if before.permissions != after.permissions { aspects.append(.mode) }
    if before.owner != after.owner || before.group != after.group { aspects.append(.owner) }
    // A directory that an archive only implies has the time of its unpacking.
    if before.kind != .directory, before.modified != after.modified { aspects.append(.time) }
    return aspects.sorted { Self.order($0) < Self.order($1) }
  }

  private static func order(_ aspect: TreeDifference.Aspect) -> Int {
    TreeDifference.Aspect.allCases.firstIndex(of: aspect) ?? 0
  }

  private func isSame(_ one: FileDescriptor, _ other: FileDescriptor) throws -> Bool {
    var (piece, wanted) = ([UInt8](repeating: 0, count: 128 << 10), [UInt8](repeating: 0, count: 128 << 10))
    while true {
      if isCancelled() { throw EngineError.cancelled("comparing two layers") }
      let count = try piece.withUnsafeMutableBytes { try one.readFully(into: $0) }
      let expected = try wanted.withUnsafeMutableBytes { try other.readFully(into: $0) }
      guard count == expected, piece[..<count] == wanted[..<count] else { return false }
      if count == 0 { return true }
    }
  }
}

/// The entries of a tree by path, and the tree to read them from.
private final class Listing {
  private(set) var entries: [[UInt8]: FileStatus] = [:]
  private let root: FileDescriptor?

  /// However deep the tree: what is to be done is on the heap.
  init(_ path: FilePath?, _ isCancelled: () -> Bool) throws {
    root = try path.map { try openDirectory($0).release() }
    guard let root else { return }
    var stack = DirectoryStack(root: root, readable: true)
    var left = [Array(try root.sortedEntries().reversed())]
    entries[[]] = try root.status()
    while !left.isEmpty {
      if isCancelled() { throw EngineError.cancelled("comparing two layers") }
      guard let entry = left[left.count - 1].popLast() else {
        left.removeLast()
        if !left.isEmpty { stack.leave(to: left.count - 1) }
        continue
      }
      let parent = try stack.descriptor()
      guard let status = try parent.status(of: entry.cName) else { continue }
      let path = stack.currentPath.isEmpty ? entry.name : stack.currentPath + [UInt8(ascii: "/")] + entry.name
      entries[path] = status
      guard status.kind == .directory else { continue }
      try stack.enter(entry.name[...])
      left.append(Array(try stack.descriptor().sortedEntries().reversed()))
    }
  }

  deinit { try? root?.close() }

  private var tree: FileDescriptor {
    get throws {
      guard let root else { throw EngineError(.internal, "there is no tree to read from") }
      return root
    }
  }

  func file(_ path: [UInt8]) throws -> OwnedDescriptor { try tree.openFileBeneath(path.cString) }

  func directory(_ path: [UInt8]) throws -> OwnedDescriptor {
    try tree.openDirectoryBeneath(path.isEmpty ? [UInt8(ascii: ".")].cString : path.cString)
  }

  func linkTarget(_ path: [UInt8]) throws -> [UInt8]? { try tree.linkTarget(of: path.cString) }
}
