internal import Glibc
internal import Synchronization
package import SystemPackage

/// Tells that something changed in one directory: a file written, made, renamed into it or removed
/// (inotify(7)).
///
/// One thread waits; any thread may cancel. The kernel keeps what happens between two waits.
package final class DirectoryWatch: Sendable {
  private let descriptor: CInt
  private let watch: CInt
  private let isCancelled = Atomic(false)

  /// - Throws: `SystemError` from inotify_init1(2) (too many watches of this user: `EMFILE`) or
  ///   inotify_add_watch(2).
  package init(_ directory: FilePath) throws(SystemError) {
    let descriptor = try call("inotify_init1") { inotify_init1(CInt(IN_CLOEXEC)) }
    self.descriptor = descriptor
    let events = UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR)
    do throws(SystemError) {
      watch = try call("inotify_add_watch", on: directory.string) {
        inotify_add_watch(descriptor, directory.string, events)
      }
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  /// Blocks until something has changed since the last call: one answer for any number of changes.
  ///
  /// - Returns: false when the watch was cancelled or the directory is gone.
  package func wait() throws(SystemError) -> Bool {
    let capacity = 4096
    var isGone = false
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 8)
    defer { buffer.deallocate() }
    let count = try call("read", on: "inotify") { read(descriptor, buffer.baseAddress, capacity) }
    var offset = 0
    while offset + MemoryLayout<inotify_event>.size <= count {
      let event = buffer.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
      if event.mask & UInt32(IN_IGNORED) != 0 { isGone = true }
      offset += MemoryLayout<inotify_event>.size + Int(event.len)
    }
    return !isGone && !isCancelled.load(ordering: .relaxed)
  }

  /// Makes the waiting thread's `wait` return false, also when it is called later.
  package func cancel() {
    // Removing the watch queues IN_IGNORED, which is what wakes the reader.
    if !isCancelled.exchange(true, ordering: .relaxed) { inotify_rm_watch(descriptor, watch) }
  }
}
