import Foundation
package import SystemPackage

/// Runs `body` with a new, empty directory of mode 0700, which is removed afterwards with all that is in it.
package func withScratchDirectory<Result>(
  _ body: (FilePath) async throws -> Result
) async throws -> Result {
  let directory = try makeScratchDirectory()
  defer { removeScratchDirectory(directory) }
  return try await body(directory)
}

/// As above, for bodies that wait for nothing.
package func withScratchDirectory<Result>(_ body: (FilePath) throws -> Result) throws -> Result {
  let directory = try makeScratchDirectory()
  defer { removeScratchDirectory(directory) }
  return try body(directory)
}

private func makeScratchDirectory() throws -> FilePath {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("coracle-test-\(UUID())").path
  try FileManager.default.createDirectory(
    atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
  return FilePath(path)
}

private func removeScratchDirectory(_ directory: FilePath) {
  try? FileManager.default.removeItem(atPath: directory.string)
}
