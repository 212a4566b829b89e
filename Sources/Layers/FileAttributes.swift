import LinuxSystem
import SystemPackage

/// What a file's extended attributes are to an image.
package enum FileAttributes {
  case own
  /// How overlayfs keeps what archives tell by whiteouts.
  case mark
  /// A label of the host's security module.
  case label

  package init(_ name: String) {
    if name.hasPrefix("trusted.overlay.") || name.hasPrefix("user.overlay.") {
      self = .mark
    } else {
      self = name == "security.selinux" ? .label : .own
    }
  }
}

extension FileDescriptor {
  /// The names and values of all attributes of an open file, one after the other, to be compared.
  func extendedAttributes() throws -> [[UInt8]] {
    try extendedAttributeNames().flatMap { name in
      [name, try extendedAttribute(name.cString) ?? []]
    }
  }
}
