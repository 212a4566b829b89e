import EngineErrors
import LinuxSystem
import SystemPackage

/// Reads a file from its beginning to its end, piece by piece. Blocks: call it on a thread for that.
///
/// - Parameter progress: called with the number of bytes so far.
func readFile(
  _ path: FilePath, _ progress: (Int64) -> Void, _ body: (UnsafeRawBufferPointer) throws -> Void
) throws {
  let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
  defer { try? file.close() }
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
  defer { buffer.deallocate() }
  var done: Int64 = 0
  while true {
    let count = try file.read(into: buffer)
    if count == 0 { return }
    try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    done += Int64(count)
    progress(done)
  }
}
