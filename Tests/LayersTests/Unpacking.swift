import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@testable import Layers

/// Runs `body` with an empty directory to unpack into, and one beside it that nothing may touch.
func withTarget(_ body: @Sendable (FilePath, FilePath) async throws -> Void) async throws {
  try await withTemporaryDirectory { directory in
    let (target, outside) = (directory.appending("target"), directory.appending("outside"))
    try makeDirectories(target, mode: 0o755)
    try makeDirectories(outside, mode: 0o755)
    try outside.appending("sentinel").write("untouched".utf8)
    try await body(target, outside)
    #expect(try String(decoding: outside.appending("sentinel").readAll(), as: UTF8.self) == "untouched")
    let names = try FlatDirectory(outside).names()
    #expect(names == ["sentinel"])
  }
}

/// - Parameter pieces: how many bytes are handed over at once.
@discardableResult
func unpack(
  _ bytes: [UInt8], into target: FilePath, pieces: Int = 1000,
  options: UnpackOptions = .init(overlayXattrs: .trusted)
) async throws -> UnpackedLayer {
  try await onBlockingThread("test-unpack") {
    let unpacker = try LayerUnpacker(into: target, options: options)
    try bytes.withUnsafeBytes { buffer in
      var rest = buffer[...]
      while !rest.isEmpty {
        try unpacker.write(UnsafeRawBufferPointer(rebasing: rest.prefix(pieces)))
        rest = rest.dropFirst(pieces)
      }
    }
    return try unpacker.finish()
  }
}

func status(_ path: FilePath) throws -> stat {
  var result = stat()
  try call("lstat", on: path.string) { lstat(path.string, &result) }
  return result
}
