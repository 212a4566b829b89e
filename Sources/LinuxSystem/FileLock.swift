import Glibc
import Synchronization
package import SystemPackage

/// An advisory lock on a whole file or a directory (flock(2)), which excludes other processes and other holders in this
/// one. The kernel drops it when the process dies, whatever way it dies.
///
/// The lock file may be removed while it is held: who locks it checks afterwards that the path still
/// names the file it has locked.
package final class FileLock: Sendable {
  package enum Mode: Sendable {
    case exclusive
    case shared
  }

  package enum Target: Sendable {
    /// Made where there is none.
    case file
    /// One that is there anyway costs no file of the lock's own.
    case directory

    fileprivate var openFlags: CInt {
      switch self {
      case .file: O_RDWR | O_CREAT
      case .directory: O_RDONLY | O_DIRECTORY
      }
    }
  }

  package let path: FilePath
  private let descriptor: Mutex<CInt>

  private init(path: FilePath, descriptor: CInt) {
    self.path = path
    self.descriptor = Mutex(descriptor)
  }

  deinit { release() }

  /// Takes the lock if it is free now, and creates the file where there is none.
  ///
  /// - Returns: nil while another holds it in a mode that excludes this one.
  /// - Throws: `SystemError` from openat(2) or flock(2).
  package static func tryAcquire(_ path: FilePath, _ mode: Mode = .exclusive) throws(SystemError) -> FileLock?
  {
    try attempt(path, mode, waiting: false)
  }

  /// Takes the lock, and blocks the calling thread until it is free.
  package static func acquireBlocking(
    _ path: FilePath, _ mode: Mode = .exclusive
  ) throws(SystemError) -> FileLock {
    while true {
      if let lock = try attempt(path, mode, waiting: true) { return lock }
    }
  }

  /// Takes the lock as soon as it is free, without holding a thread meanwhile.
  ///
  /// The kernel tells nobody when a lock becomes free, and a thread inside flock(2) cannot be called
  /// back, so a free lock is noticed by trying again: after a millisecond at first, later after 50.
  ///
  /// - Parameter whileWaiting: called before each further try, at most about 20 times a second once the
  ///   wait is long. What it throws ends the wait.
  /// - Throws: `CancellationError` at once when the task is cancelled; `SystemError` from openat(2) or flock(2).
  package static func acquire(
    _ path: FilePath, _ mode: Mode = .exclusive, of target: Target = .file,
    whileWaiting: () throws -> Void = {}
  ) async throws -> FileLock {
    var pause = Duration.milliseconds(1)
    while true {
      try Task.checkCancellation()
      if let lock = try attempt(path, mode, of: target, waiting: false) { return lock }
      try whileWaiting()
      try await Task.sleep(for: pause)
      pause = min(pause * 2, .milliseconds(50))
    }
  }

  /// Gives the lock up; the file stays. Does nothing the second time.
  package func release() {
    descriptor.withLock { descriptor in
      guard descriptor >= 0 else { return }
      // Not close(2) alone: a child between fork and exec still holds a copy, and with it the lock.
      flock(descriptor, LOCK_UN)
      close(descriptor)
      descriptor = -1
    }
  }

  /// Removes the file and gives the lock up. The file is this holder's while it holds the lock, so nobody
  /// else's lock file is removed.
  package func releaseAndRemove() {
    descriptor.withLock { descriptor in
      if descriptor >= 0 { unlink(path.string) }
    }
    release()
  }

  /// One try. With `waiting`, nil means that the file was removed meanwhile and a new try is due.
  private static func attempt(
    _ path: FilePath, _ mode: Mode, of target: Target = .file, waiting: Bool
  ) throws(SystemError) -> FileLock? {
    let operation = (mode == .exclusive ? LOCK_EX : LOCK_SH) | (waiting ? 0 : LOCK_NB)
    while true {
      let descriptor = try call("open", on: path.string) {
        open(path.string, target.openFlags | O_CLOEXEC | O_NOFOLLOW, 0o600)
      }
      do throws(SystemError) {
        try call("flock", on: path.string) { flock(descriptor, operation) }
      } catch {
        close(descriptor)
        if error.errno == .wouldBlock { return nil }
        throw error
      }
      if isNamed(descriptor, by: path) { return FileLock(path: path, descriptor: descriptor) }
      // Its former holder removed it: what is locked now is a file that nobody else will find.
      close(descriptor)
    }
  }

  private static func isNamed(_ descriptor: CInt, by path: FilePath) -> Bool {
    var held = stat()
    var named = stat()
    return fstat(descriptor, &held) == 0 && lstat(path.string, &named) == 0
      && held.st_dev == named.st_dev && held.st_ino == named.st_ino
  }
}
