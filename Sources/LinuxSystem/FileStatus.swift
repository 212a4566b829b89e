import CLinux
import Glibc
package import SystemPackage

/// What a path names.
package enum FileKind: Sendable, Hashable {
  case regular
  case directory
  case symbolicLink
  case characterDevice
  case blockDevice
  case fifo
  case socket
  /// Only from directory records: a file system that does not say.
  case unknown

  init(mode: mode_t) {
    switch mode & S_IFMT {
    case S_IFREG: self = .regular
    case S_IFDIR: self = .directory
    case S_IFLNK: self = .symbolicLink
    case S_IFCHR: self = .characterDevice
    case S_IFBLK: self = .blockDevice
    case S_IFIFO: self = .fifo
    case S_IFSOCK: self = .socket
    default: self = .unknown
    }
  }

  /// From `d_type` of getdents64(2).
  package init(recordType: UInt8) { self.init(mode: mode_t(recordType) << 12) }
}

/// A point in time as file systems keep it.
package struct FileTime: Sendable, Hashable {
  /// Seconds since the epoch; may be below zero.
  package var seconds: Int64
  /// 0 to 999,999,999.
  package var nanoseconds: Int64

  package init(seconds: Int64, nanoseconds: Int64 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}

/// A device's number, as mknod(2) takes it.
package struct DeviceNumber: Sendable, Hashable {
  package var major: UInt32
  package var minor: UInt32

  package init(major: UInt32, minor: UInt32) {
    self.major = major
    self.minor = minor
  }

  init(_ raw: dev_t) { self.init(major: clinux_major(raw), minor: clinux_minor(raw)) }

  var raw: dev_t { clinux_makedev(major, minor) }
}

/// What stat(2) tells about a file.
package struct FileStatus: Sendable {
  private let raw: Glibc.stat

  init(_ raw: Glibc.stat) { self.raw = raw }

  package var kind: FileKind { FileKind(mode: raw.st_mode) }
  /// Permission, set-id and sticky bits, without the kind.
  package var permissions: UInt32 { raw.st_mode & 0o7777 }
  package var owner: UInt32 { raw.st_uid }
  package var group: UInt32 { raw.st_gid }
  /// In bytes.
  package var size: Int64 { Int64(raw.st_size) }
  /// In units of 512 bytes.
  package var blocks: Int64 { Int64(raw.st_blocks) }
  /// What file systems give space in, in bytes.
  package var blockSize: Int64 { Int64(raw.st_blksize) }
  package var linkCount: UInt64 { UInt64(raw.st_nlink) }
  package var modified: FileTime {
    FileTime(seconds: Int64(raw.st_mtim.tv_sec), nanoseconds: Int64(raw.st_mtim.tv_nsec))
  }
  /// When it or what is known of it was changed last; nobody sets this time.
  package var changed: FileTime {
    FileTime(seconds: Int64(raw.st_ctim.tv_sec), nanoseconds: Int64(raw.st_ctim.tv_nsec))
  }
  /// What the file is, where it is a device.
  package var device: DeviceNumber { DeviceNumber(raw.st_rdev) }
  package var identity: FileIdentity { FileIdentity(device: UInt64(raw.st_dev), inode: UInt64(raw.st_ino)) }
}

/// Tells files of one machine apart, whatever their names.
package struct FileIdentity: Sendable, Hashable {
  package var device: UInt64
  package var inode: UInt64

  package init(device: UInt64, inode: UInt64) {
    self.device = device
    self.inode = inode
  }
}

/// The number of the block device that a path leads to (stat(2)); nil for anything else.
package func blockDevice(_ path: FilePath) throws(SystemError) -> DeviceNumber? {
  var status = stat()
  try call("stat", on: path.string) { stat(path.string, &status) }
  return FileKind(mode: status.st_mode) == .blockDevice ? DeviceNumber(status.st_rdev) : nil
}
