internal import CLinux
package import SystemPackage

/// Says by a lock on an open file that somebody is there, so that others can ask whether anybody is
/// (fcntl(2), open file description locks).
package enum HeldFile {
  /// Holds the file until this descriptor, which must be open for reading, and all copies of it are closed.
  package static func hold(_ file: FileDescriptor) throws(SystemError) {
    try call("fcntl") { clinux_hold(file.rawValue) }
  }

  /// Whether somebody holds it who did not do so through this descriptor; also where that cannot be told.
  package static func isHeldElsewhere(_ file: FileDescriptor) -> Bool {
    clinux_is_held_elsewhere(file.rawValue) != 0
  }
}
