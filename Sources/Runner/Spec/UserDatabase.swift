import CLinux
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
    let files = Self.read(["passwd", "group"], layers)
    (passwd, group) = (files[0], files[1])
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

  private static func isOpaque(_ directory: FileDescriptor) -> Bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"].contains { (name: String) in
      (try? directory.extendedAttribute(name)) == [UInt8(ascii: "y")]
    }
  }

  /// Each of the files from the uppermost layer that has it, empty where none has. Whoever has a layer mounted may change it
  /// meanwhile: what was looked at is what is read.
  private static func read(_ names: [String], _ layers: [FilePath]) -> [String] {
    var found: [String: String] = [:]
    for layer in layers where found.count < names.count {
      let etc: OwnedDescriptor
      do {
        // The layer's own path is the engine's, and the last name is not followed.
        etc = try openDirectory(layer.appending("etc"), isFollowed: false)
      } catch  where error.errno == .noSuchFileOrDirectory {
        continue
      } catch {
        // No directory: those below are hidden.
        break
      }
      for name in names where found[name] == nil { found[name] = read(name, in: etc.descriptor) }
      if found.count < names.count, isOpaque(etc.descriptor) { break }
    }
    return names.map { found[$0] ?? "" }
  }

  /// - Returns: nil where it is not in this layer, and empty where it is anything but a regular file of this size.
  private static func read(_ name: String, in etc: FileDescriptor) -> String? {
    do {
      // To open a device may do something: so nothing is opened that was not seen to be a file.
      let place = try etc.openBeneath(name, flags: CInt(CLINUX_O_PATH))
      let status = try place.descriptor.status()
      guard status.kind == .regular, status.size <= sizeLimit else { return "" }
      let file = try place.descriptor.reopened()
      let bytes = try [UInt8](unsafeUninitializedCapacity: Int(status.size)) { buffer, count in
        count = try file.descriptor.read(into: UnsafeMutableRawBufferPointer(buffer))
      }
      return String(decoding: bytes, as: UTF8.self)
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      return nil
    } catch {
      return ""
    }
  }
}
