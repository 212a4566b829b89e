import Glibc
import LinuxSystem
package import SystemPackage

/// Runs `body` with a new, empty directory of mode 0700, and removes it and all that is in it afterwards.
package func withTemporaryDirectory<Result>(
  _ body: (FilePath) async throws -> Result
) async throws -> Result {
  let directory = try makeTemporaryDirectory()
  let outcome: Swift.Result<Result, any Error>
  do { outcome = .success(try await body(directory)) } catch { outcome = .failure(error) }
  // A store is a large tree.
  try? await onBlockingThread("remove-directory") { try? removeTree(directory) }
  return try outcome.get()
}

/// As above, for bodies that wait for nothing.
package func withTemporaryDirectory<Result>(_ body: (FilePath) throws -> Result) throws -> Result {
  let directory = try makeTemporaryDirectory()
  defer { try? removeTree(directory) }
  return try body(directory)
}

private func makeTemporaryDirectory() throws -> FilePath {
  var template = Array("/tmp/coracle-test-XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp", Errno(rawValue: errno)) }
  return FilePath(String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self))
}

extension FilePath {
  /// Writes a whole file, which is replaced where there is one.
  package func write(_ bytes: some Sequence<UInt8>) throws {
    let file = try FileDescriptor.open(
      self, .writeOnly, options: [.create, .truncate, .closeOnExec],
      permissions: [.ownerReadWrite, .groupRead, .otherRead])
    _ = try file.closeAfter { try file.writeAll(bytes) }
  }

  /// The bytes of a whole file.
  package func readAll() throws -> [UInt8] {
    let file = try FileDescriptor.open(self, .readOnly, options: .closeOnExec)
    return try file.closeAfter {
      let size = try file.seek(offset: 0, from: .end)
      return try [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
        while count < buffer.count {
          let read = try file.read(
            fromAbsoluteOffset: Int64(count),
            into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...]))
          if read == 0 { return }
          count += read
        }
      }
    }
  }
}
