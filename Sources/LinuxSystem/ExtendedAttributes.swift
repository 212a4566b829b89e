import CLinux
import Glibc
package import SystemPackage

/// Extended attributes (xattr(7)) of an open file. All throw `SystemError`.
extension FileDescriptor {
  package func setExtendedAttribute(
    _ name: UnsafePointer<CChar>, _ value: UnsafeRawBufferPointer
  ) throws(SystemError) {
    try call("fsetxattr", on: String(cString: name)) {
      fsetxattr(rawValue, name, value.baseAddress, value.count, 0)
    }
  }

  /// The attribute's value; nil where it has none.
  package func extendedAttribute(_ name: UnsafePointer<CChar>) throws(SystemError) -> [UInt8]? {
    try attributeValue(named: name) { fgetxattr(rawValue, name, $0, $1) }
  }

  package func removeExtendedAttribute(_ name: UnsafePointer<CChar>) throws(SystemError) {
    try call("fremovexattr", on: String(cString: name)) { fremovexattr(rawValue, name) }
  }

  /// The names of all attributes that this process may see, sorted by their bytes.
  package func extendedAttributeNames() throws(SystemError) -> [[UInt8]] {
    try attributeNames { flistxattr(rawValue, $0, $1) }
  }
}

/// The attributes in which the kernel keeps access control lists (acl(5)).
package enum AccessControl {
  /// Of a directory: what its new entries get.
  package static let inherited = "system.posix_acl_default"
  package static let own = "system.posix_acl_access"
}

extension FileDescriptor {
  /// Makes a directory of one's own, with nothing of what it got from the one that it was made in: its group, S_ISGID, and
  /// access control lists, which it would hand on to all that is made in it.
  package func disinherit(permissions: UInt32) throws(SystemError) {
    let (user, group) = effectiveIDs()
    try setOwner(user, group: group)
    for name in [AccessControl.inherited, AccessControl.own] {
      do throws(SystemError) {
        try call("fremovexattr", on: name) { fremovexattr(rawValue, name) }
      } catch {
        guard error.errno == .noData || error.errno == .notSupported else { throw error }
      }
    }
    try setPermissions(permissions)
  }
}

/// Extended attributes of an entry that cannot be opened to read them, such as a symbolic link or a
/// device. The kernel has no xattr call relative to a descriptor that is old enough, so these go through
/// /proc/self/fd; the last component is not followed.
extension FileDescriptor {
  package func setExtendedAttribute(
    _ name: UnsafePointer<CChar>, _ value: UnsafeRawBufferPointer, of entry: UnsafePointer<CChar>
  ) throws(SystemError) {
    let path = procPath(entry)
    try call("lsetxattr", on: String(cString: name)) {
      lsetxattr(path, name, value.baseAddress, value.count, 0)
    }
  }

  package func extendedAttribute(
    _ name: UnsafePointer<CChar>, of entry: UnsafePointer<CChar>
  ) throws(SystemError) -> [UInt8]? {
    let path = procPath(entry)
    return try attributeValue(named: name) { lgetxattr(path, name, $0, $1) }
  }

  package func removeExtendedAttribute(
    _ name: UnsafePointer<CChar>, of entry: UnsafePointer<CChar>
  ) throws(SystemError) {
    let path = procPath(entry)
    try call("lremovexattr", on: String(cString: name)) { lremovexattr(path, name) }
  }

  package func extendedAttributeNames(of entry: UnsafePointer<CChar>) throws(SystemError) -> [[UInt8]] {
    let path = procPath(entry)
    return try attributeNames { llistxattr(path, $0, $1) }
  }

  private func procPath(_ entry: UnsafePointer<CChar>) -> [CChar] {
    Array("/proc/self/fd/\(rawValue)/".utf8).map { CChar(bitPattern: $0) }
      + UnsafeBufferPointer(start: entry, count: strlen(entry) + 1)
  }
}

/// The kernel keeps no value and no list of names beyond 64 KiB (XATTR_SIZE_MAX, XATTR_LIST_MAX).
private let longestAttribute = 65536

private func attributeValue(
  named name: UnsafePointer<CChar>, _ get: (UnsafeMutableRawPointer?, Int) -> Int
) throws(SystemError) -> [UInt8]? {
  // Most values are short; the second size is what any value fits into.
  for size in [256, longestAttribute] {
    var value = [UInt8](repeating: 0, count: size)
    do throws(SystemError) {
      let count = try call("getxattr", on: String(cString: name)) {
        value.withUnsafeMutableBytes { get($0.baseAddress, size) }
      }
      return Array(value.prefix(count))
    } catch {
      switch error.errno {
      case .noData, .notSupported: return nil
      case .outOfRange where size < longestAttribute: continue
      default: throw error
      }
    }
  }
  return nil
}

private func attributeNames(
  _ list: (UnsafeMutablePointer<CChar>?, Int) -> Int
) throws(SystemError) -> [[UInt8]] {
  var length = 0
  do throws(SystemError) {
    length = try call("listxattr") { list(nil, 0) }
    guard length > 0 else { return [] }
    var names = [CChar](repeating: 0, count: longestAttribute)
    length = try call("listxattr") { names.withUnsafeMutableBufferPointer { list($0.baseAddress, $0.count) } }
    return names.prefix(length).split(separator: 0).map { $0.map { UInt8(bitPattern: $0) } }
      .sorted { $0.lexicographicallyPrecedes($1) }
  } catch {
    if error.errno == .notSupported { return [] }
    throw error
  }
}
