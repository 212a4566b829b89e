import EngineErrors

/// An archive's name for an entry, as components beneath the layer's root.
struct EntryPath {
  static let longestComponent = 255
  static let longestPath = 4095

  /// Without empty ones and `.`; none is `..`.
  var components: [ArraySlice<UInt8>]

  /// An absolute name is taken from the layer's root, as other engines do.
  ///
  /// - Throws: `corrupt` for one that climbs out or is too long for the kernel.
  init(_ name: [UInt8]) throws(EngineError) {
    func refuse(_ why: String) -> EngineError {
      .refused("the archive has a name that cannot be unpacked: \(EntryPath.text(name))", causes: [why])
    }
    // The slash at a directory's end is no part of its path.
    guard name.count - (name.last == UInt8(ascii: "/") ? 1 : 0) <= Self.longestPath else {
      throw refuse("it has \(name.count) bytes")
    }
    components = []
    components.reserveCapacity(8)
    var start = 0
    while start < name.count {
      let end = name[start...].firstIndex(of: UInt8(ascii: "/")) ?? name.count
      let component = name[start..<end]
      start = end + 1
      if component.first == UInt8(ascii: ".") {
        if component.count == 1 { continue }
        if component.count == 2, component.last == UInt8(ascii: ".") { throw refuse("it leads out by '..'") }
      }
      guard component.count <= Self.longestComponent else {
        throw refuse("a part of it has \(component.count) bytes")
      }
      if !component.isEmpty { components.append(component) }
    }
  }

  var isRoot: Bool { components.isEmpty }
  var parent: ArraySlice<ArraySlice<UInt8>> { components.dropLast() }

  /// With single slashes between the components.
  var joined: [UInt8] { Array(components.joined(separator: [UInt8(ascii: "/")])) }

  /// For people.
  static func text(_ name: some Collection<UInt8>) -> String {
    let text = String(decoding: name.prefix(200), as: UTF8.self)
    return name.count > 200 ? text + "…" : text
  }
}
