import CLinux
internal import EngineErrors
import LinuxSystem
import Synchronization
internal import SystemPackage

/// The shim's executable as a sealed copy in memory, made once a service and executed through its descriptor.
///
/// A container's root user can make the shim's binary be executed inside the container (an entry point with
/// `#!/proc/self/exe`) and then reach the file behind /proc/PID/exe (CVE-2019-5736). What it reaches is this
/// copy, which nobody can write, whatever capabilities they have: the seals of a memfd do not come off.
final class ShimProgram: Sendable {
  private let path: FilePath
  private let sealed = Mutex<FileDescriptor?>(nil)

  init(path: FilePath) { self.path = path }

  deinit {
    sealed.withLock { if let descriptor = $0 { try? descriptor.close() } }
  }

  /// A path that `posix_spawn` can execute, valid for the life of this value. Blocks for the first copy.
  func executable() throws(EngineError) -> FilePath {
    let descriptor = try sealed.withLock { (sealed) throws(EngineError) in
      if let sealed { return sealed }
      do {
        let made = try copy()
        sealed = made
        return made
      } catch let error as SystemError where error.call == "memfd_create" && error.errno == .permissionDenied
      {
        var refused = EngineError("prepare the shim", error)
        refused.hint = "allow executable memfds: sysctl vm.memfd_noexec=1 (or 0)"
        throw refused
      } catch {
        throw EngineError("prepare the shim \(path)", wrapping: error)
      }
    }
    return FilePath("/proc/self/fd/\(descriptor.rawValue)")
  }

  private func copy() throws -> FileDescriptor {
    let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
    defer { try? file.close() }
    let size = Int(try file.seek(offset: 0, from: .end))
    let content = try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let read = try file.read(
          fromAbsoluteOffset: Int64(count),
          into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...]))
        if read == 0 { break }
        count += read
      }
    }
    let memory = FileDescriptor(
      rawValue: try call("memfd_create") { clinux_memfd("coracle-shim", 1) })
    do {
      try memory.writeAll(content.prefix(loadedSize(content)))
      try call("fcntl") { clinux_seal(memory.rawValue) }
      return memory
    } catch {
      try? memory.close()
      throw error
    }
  }

  /// The end of the last segment that the kernel maps: symbols and debug sections behind it stay on disk.
  private func loadedSize(_ content: [UInt8]) -> Int {
    content.withUnsafeBytes { bytes in
      guard bytes.count > 64, bytes[4] == 2 else { return bytes.count }
      let table = Int(clamping: bytes.loadUnaligned(fromByteOffset: 32, as: UInt64.self))
      let entrySize = Int(bytes.loadUnaligned(fromByteOffset: 54, as: UInt16.self))
      let count = Int(bytes.loadUnaligned(fromByteOffset: 56, as: UInt16.self))
      var end = 0
      for index in 0..<count {
        let (entry, overflow) = table.addingReportingOverflow(index * entrySize)
        guard !overflow, entrySize >= 56, entry <= bytes.count - 56 else { return bytes.count }
        let offset = Int(clamping: bytes.loadUnaligned(fromByteOffset: entry + 8, as: UInt64.self))
        let size = Int(clamping: bytes.loadUnaligned(fromByteOffset: entry + 32, as: UInt64.self))
        end = max(end, min(bytes.count, offset.addingReportingOverflow(size).partialValue))
      }
      return end > 0 ? end : bytes.count
    }
  }
}
