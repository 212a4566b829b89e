import EngineErrors
import Glibc
import LinuxSystem
internal import SystemPackage

/// The run directory of a container, open: what is read through it belongs together, also when another service has
/// removed the directory and made it anew meanwhile.
struct RunDirectory: ~Copyable {
  private let directory: OwnedDescriptor
  /// What was there when it was opened: one call for what would be one for each file.
  private let files: RunFiles.Presence

  private init(_ directory: consuming OwnedDescriptor) throws {
    var files: RunFiles.Presence = []
    try directory.descriptor.forEachEntry(isNew: true) { name, _ in files.formUnion(.file(name)) }
    self.directory = directory
    self.files = files
  }

  /// - Returns: nil where there is none: of a container that was never started, or was cleaned up.
  static func open(_ path: FilePath) throws -> RunDirectory? {
    do {
      return try RunDirectory(openDirectory(path))
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      return nil
    }
  }

  private func open(_ name: StaticString) throws(SystemError) -> OwnedDescriptor? {
    do throws(SystemError) {
      return try directory.descriptor.openFileBeneath(name.cString)
    } catch  where error.errno == .noSuchFileOrDirectory {
      return nil
    }
  }

  /// The numbers of a file; nil where it is missing.
  func numbers(_ name: StaticString) throws -> RunNumbers? {
    guard let file = try open(name) else { return nil }
    return try RunNumbers(file.descriptor)
  }

  /// Who holds the life lock; nil where there is none.
  func lockHolder() throws(SystemError) -> LifeLock.Holder? {
    guard let file = try open(RunFiles.lock) else { return nil }
    return try LifeLock.holder(of: file.descriptor)
  }

  /// Whether a path is this directory's still, and not that of one that was made in its place.
  func isNamed(by path: FilePath) -> Bool {
    var (held, named) = (stat(), stat())
    return fstat(directory.descriptor.rawValue, &held) == 0
      && path.withPlatformString { lstat($0, &named) } == 0
      && held.st_dev == named.st_dev && held.st_ino == named.st_ino
  }

  /// The path of a file in this very directory, whatever its name is by now.
  func path(_ name: StaticString) -> FilePath {
    FilePath("/proc/self/fd/\(directory.descriptor.rawValue)/\(name)")
  }

  /// Whether there was such a file when the directory was opened.
  func has(_ file: RunFiles.Presence) -> Bool { files.contains(file) }

  /// How much the shim has written about restarts, in bytes.
  func livesSize() -> Int64 {
    var status = stat()
    guard has(.lives),
      fstatat(directory.descriptor.rawValue, RunFiles.lives.cString, &status, AT_SYMLINK_NOFOLLOW) == 0
    else { return 0 }
    return Int64(status.st_size)
  }
}

/// The `name=number` lines of a small file, as a shim or a service wrote it.
struct RunNumbers {
  private let bytes: [UInt8]

  /// Reads the first 512 bytes: no such file has more.
  init(_ file: FileDescriptor) throws {
    bytes = try [UInt8](unsafeUninitializedCapacity: 512) { buffer, count in
      count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
    }
  }

  subscript(name: StaticString) -> UInt64? {
    let name = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    for line in bytes.lazy.split(separator: UInt8(ascii: "\n")) where line.starts(with: name) {
      let rest = line.dropFirst(name.count)
      if rest.first == UInt8(ascii: "=") { return UInt64(String(decoding: rest.dropFirst(), as: UTF8.self)) }
    }
    return nil
  }
}

extension RunFiles {
  /// Those whose being there says something.
  struct Presence: OptionSet {
    let rawValue: UInt8
    static let pid = Presence(rawValue: 1)
    static let exit = Presence(rawValue: 2)
    static let lives = Presence(rawValue: 4)
    static let paused = Presence(rawValue: 8)
  }
}

extension RunFiles.Presence {
  /// That of a file by its name; empty for any other.
  fileprivate static func file(_ name: UnsafePointer<CChar>) -> Self {
    for (file, known) in [
      (pid, RunFiles.pid), (exit, RunFiles.exit), (lives, RunFiles.lives), (paused, RunFiles.paused),
    ] where strcmp(name, known.cString) == 0 { return file }
    return []
  }
}

extension StaticString {
  /// Valid for ever; ends with a NUL.
  fileprivate var cString: UnsafePointer<CChar> {
    UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
