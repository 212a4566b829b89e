import EngineErrors
import LinuxSystem
import SystemPackage

/// Where an entry goes: to a directory beneath the root, without following what leads out.
extension TreeWriter {
  /// What an archive's name stands for; the root itself has none where it is the place of a copy.
  func place(_ name: [UInt8]) throws -> EntryPath {
    let path = try EntryPath(name)
    guard let copy = options.copy, !path.isRoot else { return path }
    if placeOfCopy == nil {
      _ = try enter(EntryPath(copy.place).components[...], copy.place)
      placeOfCopy = parents.path
    }
    return try EntryPath((placeOfCopy ?? []) + [UInt8(ascii: "/")] + name)
  }

  /// Where an entry of the directory that was entered last really is.
  func placed(_ last: some Collection<UInt8>) -> [UInt8] {
    let parent = parents.path
    return parent.isEmpty ? Array(last) : parent + [UInt8(ascii: "/")] + last
  }

  /// Goes to a directory of the layer; one without an entry is made, and noted as implied.
  func enter(_ components: ArraySlice<ArraySlice<UInt8>>, _ name: [UInt8]) throws -> FileDescriptor {
    var components = components
    for _ in 0..<40 {
      do {
        return try enterExact(components, name)
      } catch let link as LinkOnTheWay {
        components = try link.replaced(in: components)
      }
    }
    throw EngineError.refused("the archive leads in circles: \(EntryPath.text(name))")
  }

  private struct LinkOnTheWay: Error {
    var index: Int
    var target: [UInt8]

    /// The way with the link's target in its place, never above the root.
    func replaced(in components: ArraySlice<ArraySlice<UInt8>>) throws -> ArraySlice<ArraySlice<UInt8>> {
      let way = Array(components)
      var result = target.first == UInt8(ascii: "/") ? [] : Array(way[..<index])
      for component in target.split(separator: UInt8(ascii: "/")) + way[(index + 1)...] {
        if component.elementsEqual([UInt8(ascii: ".")]) { continue }
        if component.elementsEqual([UInt8(ascii: "."), UInt8(ascii: ".")]) {
          if !result.isEmpty { result.removeLast() }
        } else {
          result.append(component)
        }
      }
      return result[...]
    }
  }

  private func enterExact(_ components: ArraySlice<ArraySlice<UInt8>>, _ name: [UInt8]) throws
    -> FileDescriptor
  {
    var level = 0
    for component in components {
      defer { level += 1 }
      let isHere = parents.component(level, is: component)
      if isHere { continue }
      parents.leave(to: level)
      if (try? parents.enter(component)) != nil { continue }
      try makeWay(component, level, name)
      try parents.enter(component)
    }
    parents.leave(to: level)
    return try parents.descriptor()
  }

  /// Makes the directory that cannot be entered, where that is what is wrong.
  private func makeWay(_ component: ArraySlice<UInt8>, _ level: Int, _ name: [UInt8]) throws {
    let here = try parents.descriptor()
    let base = component.cString
    guard let status = try here.status(of: base) else {
      try count()
      try here.makeDirectory(base, permissions: 0o755)
      let path = placed(component)
      try keep(path)
      implied.insert(path)
      // Of one that was here before, and is gone.
      unfinished[path] = nil
      return
    }
    if status.kind == .symbolicLink {
      throw LinkOnTheWay(index: level, target: try here.linkTarget(of: base) ?? [])
    }
    if status.isWhiteout {
      try remove(base, in: here)
      try here.makeDirectory(base, permissions: 0o755)
      try markOpaque(base, in: here)
    } else if status.kind != .directory {
      throw EngineError.refused(
        "the archive has \(EntryPath.text(name)) beneath something that is no directory")
    }
  }

  func remove(_ base: [CChar], in parent: FileDescriptor) throws {
    if options.copy != nil, try parent.status(of: base)?.kind == .directory {
      throw EngineError(
        .conflict,
        "cannot replace the directory \(EntryPath.text(base.dropLast().map { UInt8(bitPattern: $0) }))",
        hint: "remove it first, or copy to another name")
    }
    // Descriptors into a directory that goes would lead out of the layer's tree.
    parents.leave(to: parents.depth)
    targets.leave(to: 0)
    bytesOnDisk = nil
    try removeTree(base, in: parent)
  }

  /// Makes something that is refused where something else has its name, which it then takes the place of.
  func replacing<Made>(
    _ base: [CChar], in parent: FileDescriptor, _ make: () throws(SystemError) -> Made
  ) throws -> Made {
    do {
      return try make()
    } catch {
      guard error.errno == .fileExists else { throw error }
    }
    try remove(base, in: parent)
    return try make()
  }
}
