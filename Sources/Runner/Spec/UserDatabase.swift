package import EngineErrors
import LinuxSystem
package import SystemPackage

/// Users and groups as a root file system has them, read without mounting it.
///
/// The files are the image's, so they are hostile: a symbolic link is not followed, a FIFO not waited for, and no more
/// than a megabyte read.
package struct UserDatabase: Sendable {
  private static let sizeLimit = 1 << 20
  private let passwd: String
  private let group: String

  /// - Parameter layers: the trees that make the root file system, the uppermost first.
  package init(layers: [FilePath]) {
    passwd = Self.read("passwd", layers)
    group = Self.read("group", layers)
  }

  init(passwd: String, group: String) {
    self.passwd = passwd
    self.group = group
  }

  package struct Identity: Hashable, Sendable {
    package var uid: UInt32
    package var gid: UInt32
    /// Supplementary groups, sorted.
    package var groups: [UInt32]
    package var home: String
  }

  /// Resolves `user[:group]`, by name or number, as an image's configuration has it. Numbers are numbers: a user whose
  /// *name* is 1000 is not meant by `1000`.
  ///
  /// - Throws: `notFound` for a name that is not there, `invalidArgument` for a number that is none of an id.
  package func resolve(_ text: String) throws(EngineError) -> Identity {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let user = parts.first ?? ""
    var identity = Identity(uid: 0, gid: 0, groups: [], home: "/")
    var name: String?
    if let number = try Self.number(user.isEmpty ? "0" : user, text) {
      identity.uid = number
      if let line = fields(passwd).first(where: { $0.count >= 6 && UInt32($0[2]) == number }) {
        name = line[0]
        identity.gid = UInt32(line[3]) ?? 0
        identity.home = line[5].isEmpty ? "/" : line[5]
      } else if number == 0 {
        identity.home = "/root"
        name = "root"
      }
    } else {
      guard let line = fields(passwd).first(where: { $0.count >= 6 && $0[0] == user }),
        let uid = UInt32(line[2]), let gid = UInt32(line[3])
      else {
        throw EngineError(
          .notFound, "the image has no user \(user)", subject: text,
          hint: "name one of its /etc/passwd, or a number")
      }
      name = user
      identity.uid = uid
      identity.gid = gid
      identity.home = line[5].isEmpty ? "/" : line[5]
    }
    guard parts.count == 2, !parts[1].isEmpty else {
      identity.groups = supplementary(of: name)
      return identity
    }
    // With a group named, there are no others.
    identity.gid = try groupNumber(parts[1], text)
    return identity
  }

  /// The groups of a list of names or numbers.
  ///
  /// - Throws: as `resolve`.
  package func groups(_ names: [String]) throws(EngineError) -> [UInt32] {
    var numbers: [UInt32] = []
    for name in names { numbers.append(try groupNumber(name, name)) }
    return numbers
  }

  private func groupNumber(_ name: String, _ text: String) throws(EngineError) -> UInt32 {
    if let number = try Self.number(name, text) { return number }
    guard let line = fields(group).first(where: { $0.count >= 3 && $0[0] == name }), let gid = UInt32(line[2])
    else {
      throw EngineError(
        .notFound, "the image has no group \(name)", subject: text,
        hint: "name one of its /etc/group, or a number")
    }
    return gid
  }

  private func supplementary(of name: String?) -> [UInt32] {
    guard let name else { return [] }
    let groups = fields(group).compactMap { line -> UInt32? in
      guard line.count >= 4, line[3].split(separator: ",").contains(where: { $0 == name }) else { return nil }
      return UInt32(line[2])
    }
    return Set(groups).sorted()
  }

  /// Nil for what is no number; a number that is too large for an id is not some other user.
  private static func number(_ digits: String, _ text: String) throws(EngineError) -> UInt32? {
    guard !digits.isEmpty, digits.allSatisfy({ ("0"..."9").contains($0) }) else { return nil }
    guard let number = UInt32(digits), number < .max else {
      throw EngineError(
        .invalidArgument, "not a user or group: \(digits)", subject: text,
        hint: "ids end with \(UInt32.max - 1)")
    }
    return number
  }

  private func fields(_ file: String) -> [[String]] {
    file.split(separator: "\n").map {
      $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    }
  }

  private static func isOpaque(_ directory: FilePath) -> Bool {
    guard
      let open = try? FileDescriptor.open(
        directory, .readOnly, options: [.directory, .closeOnExec, .noFollow])
    else { return false }
    defer { try? open.close() }
    return ["trusted.overlay.opaque", "user.overlay.opaque"].contains { (name: String) in
      (try? open.extendedAttribute(name)) == [UInt8(ascii: "y")]
    }
  }

  private static func read(_ name: String, _ layers: [FilePath]) -> String {
    for layer in layers {
      let etc = layer.appending("etc")
      guard let status = fileKind(etc.appending(name)) else {
        // Not in this layer; hidden from those below where it is opaque or /etc is no directory.
        if let kind = fileKind(etc), kind != .directory || isOpaque(etc) { return "" }
        continue
      }
      guard status == .regular, fileKind(etc) == .directory else { return "" }
      return (try? readSmallFile(etc.appending(name), limit: sizeLimit)) ?? ""
    }
    return ""
  }
}
