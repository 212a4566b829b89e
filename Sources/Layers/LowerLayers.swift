import LinuxSystem
import SystemPackage

/// The layers below, to ask what is in them, as overlayfs shows it.
final class LowerLayers {
  /// Something of the uppermost layer that has it.
  struct Entry {
    fileprivate var layer: FileDescriptor
    fileprivate var path: [UInt8]
    var status: FileStatus

    /// For reading; valid as long as the layers.
    ///
    /// - Throws: `SystemError`.
    func open() throws(SystemError) -> OwnedDescriptor { try layer.openFileBeneath(path.cString) }
  }

  private let layers: [FileDescriptor]

  /// - Parameter paths: the uppermost first.
  init(_ paths: [FilePath]) throws {
    var layers: [FileDescriptor] = []
    do {
      for path in paths { layers.append(try openDirectory(path).release()) }
    } catch {
      for layer in layers { try? layer.close() }
      throw error
    }
    self.layers = layers
  }

  deinit { for layer in layers { try? layer.close() } }

  /// Whether there is something of that name that no layer above hides.
  func contains(_ path: [UInt8]) throws -> Bool { try find(path) != nil }

  /// What has a name; nil where there is nothing, or a layer above hides it: by a whiteout of it or of a directory on the way, by
  /// something else in such a directory's place, or by an opaque one.
  func find(_ path: [UInt8]) throws -> Entry? {
    for layer in layers {
      switch try lookUp(path, in: layer) {
      case .present(let status): return Entry(layer: layer, path: path, status: status)
      case .hidden: return nil
      case .absent: continue
      }
    }
    return nil
  }

  private enum Answer {
    case present(FileStatus)
    case hidden
    case absent
  }

  private func lookUp(_ path: [UInt8], in layer: FileDescriptor) throws -> Answer {
    var stack = DirectoryStack(root: layer, readable: true)
    let components = path.split(separator: UInt8(ascii: "/"))
    for (index, component) in components.enumerated() {
      guard let status = try stack.descriptor().status(of: component.cString) else {
        return try hasOpaque(components[..<index], in: layer) ? .hidden : .absent
      }
      if status.isWhiteout { return .hidden }
      if index == components.count - 1 { return .present(status) }
      guard status.kind == .directory else { return .hidden }
      try stack.enter(component)
    }
    return .absent
  }

  /// Whether a directory on the way hides what the layers below have in it.
  private func hasOpaque(_ components: ArraySlice<ArraySlice<UInt8>>, in layer: FileDescriptor) throws -> Bool
  {
    var stack = DirectoryStack(root: layer, readable: true)
    for component in components {
      try stack.enter(component)
      let here = try stack.descriptor()
      for marks in [OverlayXattrs.trusted, .user]
      where try here.extendedAttribute(marks.opaque) == [UInt8(ascii: "y")] {
        return true
      }
    }
    return false
  }
}
