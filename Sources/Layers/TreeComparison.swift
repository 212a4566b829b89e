package import EngineErrors
import LinuxSystem
package import SystemPackage

/// Compares trees on disk in all that a layer can say of a file.
package final class TreeComparison {
  private static let pieceLength = 256 << 10

  private let isCancelled: () -> Bool
  private let pieces = (
    UnsafeMutableRawBufferPointer.allocate(byteCount: pieceLength, alignment: 4096),
    UnsafeMutableRawBufferPointer.allocate(byteCount: pieceLength, alignment: 4096)
  )

  /// - Parameter isCancelled: asked now and then, on the thread that compares.
  package init(isCancelled: @escaping () -> Bool) { self.isCancelled = isCancelled }

  deinit {
    pieces.0.deallocate()
    pieces.1.deallocate()
  }

  /// Reads both trees to the end, or to where they differ. Blocks.
  ///
  /// - Returns: nil where they are the same; else the first entry that is not, from the root, and what of it.
  package func difference(of tree: FilePath, from expected: FilePath) throws(EngineError) -> String? {
    do {
      let one = try openDirectory(tree)
      let other = try openDirectory(expected)
      let (status, wanted) = (try one.descriptor.status(), try other.descriptor.status())
      if let what = attributes(status, wanted) { return "/: \(what)" }
      if try one.descriptor.extendedAttributes() != other.descriptor.extendedAttributes() {
        return "/: its extended attributes"
      }
      return try entries(one.descriptor, other.descriptor)
    } catch {
      // A sector that cannot be read any more. What it is compared with was written just now.
      if (error as? SystemError)?.errno == .ioError || (error as? Errno) == .ioError {
        return "/: the disk cannot read all of it"
      }
      throw EngineError("compare a tree with its layer", wrapping: error, subject: tree.string)
    }
  }

  /// A directory that both trees have.
  private struct Level {
    var place: String
    /// What is still to be compared, the next one last.
    var rest: [DirectoryEntry]
  }

  /// No recursion, and few open directories: a layer may be deep.
  private func entries(_ tree: FileDescriptor, _ expected: FileDescriptor) throws -> String? {
    var one = DirectoryStack(root: tree, readable: true)
    var other = DirectoryStack(root: expected, readable: true)
    var levels: [Level] = []
    /// Begins with the directory that both are in.
    func begin(_ place: String) throws -> String? {
      let (found, wanted) = (try one.descriptor().sortedEntries(), try other.descriptor().sortedEntries())
      if let difference = names(found, wanted, place) { return difference }
      levels.append(Level(place: place, rest: wanted.reversed()))
      return nil
    }
    if let difference = try begin("") { return difference }
    while !levels.isEmpty {
      if isCancelled() { throw EngineError.cancelled("comparing a tree with its layer") }
      let depth = levels.count - 1
      guard let entry = levels[depth].rest.popLast() else {
        levels.removeLast()
        continue
      }
      one.leave(to: depth)
      other.leave(to: depth)
      let (here, there) = (try one.descriptor(), try other.descriptor())
      let place = "\(levels[depth].place)/\(text(entry))"
      guard let status = try here.status(of: entry.cName), let wanted = try there.status(of: entry.cName)
      else { return "\(place): it is missing" }
      if let what = attributes(status, wanted) { return "\(place): \(what)" }
      if status.kind == .directory {
        try one.enter(entry.cName)
        try other.enter(entry.cName)
        if try one.descriptor().extendedAttributes() != other.descriptor().extendedAttributes() {
          return "\(place): its extended attributes"
        }
        if let difference = try begin(place) { return difference }
      } else if let difference = try content(of: entry, status.kind, here, there, place) {
        return difference
      }
    }
    return nil
  }

  private func names(_ found: [DirectoryEntry], _ wanted: [DirectoryEntry], _ place: String) -> String? {
    let names = Set(found.map(\.cName))
    if let missing = wanted.first(where: { !names.contains($0.cName) }) {
      return "\(place)/\(text(missing)): it is missing"
    }
    guard found.count != wanted.count else { return nil }
    let known = Set(wanted.map(\.cName))
    let extra = found.first { !known.contains($0.cName) }
    return "\(place)/\(extra.map(text) ?? ""): there is no such file in the layer"
  }

  /// A directory's own time is left out: one that an archive implies has that of its unpacking.
  private func attributes(_ status: FileStatus, _ wanted: FileStatus) -> String? {
    if status.kind != wanted.kind { return "it is a \(status.kind) and not a \(wanted.kind)" }
    if status.permissions != wanted.permissions { return "its permissions" }
    if status.owner != wanted.owner || status.group != wanted.group { return "its owner" }
    switch status.kind {
    case .regular where status.size != wanted.size: return "its size"
    case .directory: return nil
    case .characterDevice, .blockDevice: return status.device == wanted.device ? nil : "its device number"
    default: return status.modified == wanted.modified ? nil : "its time"
    }
  }

  private func content(
    of entry: DirectoryEntry, _ kind: FileKind, _ tree: FileDescriptor, _ expected: FileDescriptor,
    _ place: String
  ) throws -> String? {
    switch kind {
    case .regular:
      let one = try tree.openFileBeneath(entry.cName)
      let other = try expected.openFileBeneath(entry.cName)
      if try one.descriptor.extendedAttributes() != other.descriptor.extendedAttributes() {
        return "\(place): its extended attributes"
      }
      return try isSame(one.descriptor, other.descriptor) ? nil : "\(place): its content"
    case .symbolicLink:
      return try tree.linkTarget(of: entry.cName) == expected.linkTarget(of: entry.cName)
        ? nil : "\(place): where it leads"
    default: return nil
    }
  }

  private func isSame(_ one: FileDescriptor, _ other: FileDescriptor) throws -> Bool {
    while true {
      if isCancelled() { throw EngineError.cancelled("comparing a tree with its layer") }
      let (count, wanted) = (try one.readFully(into: pieces.0), try other.readFully(into: pieces.1))
      guard count == wanted else { return false }
      if count == 0 { return true }
      guard
        UnsafeRawBufferPointer(rebasing: pieces.0[..<count]).elementsEqual(
          UnsafeRawBufferPointer(rebasing: pieces.1[..<count]))
      else { return false }
    }
  }

  private func text(_ entry: DirectoryEntry) -> String { String(decoding: entry.name, as: UTF8.self) }
}
