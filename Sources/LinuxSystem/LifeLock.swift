internal import CLinux
package import SystemPackage

/// A lock that a process holds for its whole life, so that others can see whether it lives and which one it is.
package enum LifeLock {
  package enum Holder: Equatable, Sendable {
    case nobody
    case process(CInt)
    /// A process of another pid namespace, which has no number here.
    case elsewhere
  }

  /// Who holds the lock file (`fcntl` with F_GETLK), without taking it for a moment; nil if there is no such file.
  package static func holder(of path: FilePath) throws(SystemError) -> Holder? {
    let file: FileDescriptor
    do throws(SystemError) {
      file = FileDescriptor(
        rawValue: try call("open", on: path.string) {
          path.withPlatformString { clinux_open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0) }
        })
    } catch  where error.errno == .noSuchFileOrDirectory {
      return nil
    } catch {
      throw error
    }
    defer { try? file.close() }
    return try holder(of: file)
  }

  /// The same of a lock file that is open already.
  package static func holder(of file: FileDescriptor) throws(SystemError) -> Holder {
    switch try call("fcntl", { clinux_lock_holder(file.rawValue) }) {
    case 0: .nobody
    case CInt.max: .elsewhere
    case let pid: .process(pid)
    }
  }

  /// Takes the lock for the rest of this process's life, and makes the file (mode 0600) where it is missing.
  ///
  /// The process must not open the file again: POSIX drops its locks when any descriptor of the file is closed.
  /// - Throws: `wouldBlock` while another process holds it.
  package static func take(_ path: FilePath) throws(SystemError) {
    let file = try call("open", on: path.string) {
      path.withPlatformString { clinux_open($0, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600) }
    }
    do throws(SystemError) {
      try call("fcntl", on: path.string) { clinux_lock_for_life(file) }
    } catch {
      close(file)
      throw error
    }
  }
}
