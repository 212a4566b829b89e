import Dockerfile
import EngineErrors
import Foundation
import LinuxSystem
import OCIModel
import SystemPackage

/// A file that ADD fetches, in a directory of its own until it has been copied.
extension RemoteSources {
  /// - Parameters:
  ///   - checksum: what its digest must be; nil where nobody said.
  ///   - failure: the error that tells of it.
  /// - Throws: `digestMismatch`; `unsupported` for a checksum of another kind than SHA-256.
  func fetch(_ source: String, checksum: String?, _ failure: GitAddress.Failure) async throws -> SourceRoot {
    let wanted = try checksum.map { text in
      guard let digest = try? Digest(text) else {
        throw failure(
          "'\(text.prefix(100))' is not a checksum", "write it as sha256: and 64 hexadecimal digits")
      }
      return digest
    }
    let step = try engine.prepareStep()
    do {
      let path = step.upper.appending(Self.fileName(source))
      let output = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec, .noFollow],
        permissions: [.ownerReadWrite])
      let (fetched, limit) = (FetchedFile(), engine.configuration.buildDownloadBytes)
      do {
        let title = "fetch \(source.prefix(200))"
        try await reporter.task(title) { progress, _ in
          try await engine.registry.fetchFile(source) { bytes in
            let total = fetched.add(bytes)
            guard total <= limit else {
              throw EngineError(
                .corrupt, "\(source.prefix(200)) has more than \(limit) bytes", subject: source,
                hint: "if it is meant to, set another limit (builds.downloadBytes in config.json)",
                retriable: false)
            }
            try output.writeFully(bytes)
            progress.report(total)
          }
        }
        try output.close()
      } catch {
        try? output.close()
        throw error
      }
      if let wanted, let found = fetched.finish(), found != wanted {
        var error = failure("\(source) is \(found) and not \(wanted)", nil)
        error.kind = .digestMismatch
        error.subject = source
        error.isRetriable = false
        throw error
      }
      let directory = OwnedDescriptor(try openDirectory(step.upper).release())
      return SourceRoot(directory, name: source, isContext: true) { [engine] in
        engine.discardStep(step.id)
      }
    } catch {
      engine.discardStep(step.id)
      throw error
    }
  }

  /// The last part of the address's path, decoded and without slashes behind it.
  static func fileName(_ address: String) -> String {
    let path = address.split(separator: "://", maxSplits: 1).last.map(String.init) ?? address
    let plain = path.prefix { $0 != "?" && $0 != "#" }
    guard let slash = plain.firstIndex(of: "/"),
      let decoded = String(plain[slash...]).removingPercentEncoding,
      // A slash that was encoded parts names as others do.
      let last = decoded.split(separator: "/").last, last != ".", last != "..", last.utf8.count < 256,
      !last.utf8.contains(0)
    else { return "__unnamed__" }
    return String(last)
  }
}

/// What has come so far.
private final class FetchedFile: @unchecked Sendable {
  // One transfer adds to them, on one thread at a time, and they are asked when that has ended.
  private var count: Int64 = 0
  private var hasher: SHA256? = SHA256()

  /// - Returns: how many bytes it is now.
  func add(_ bytes: UnsafeRawBufferPointer) -> Int64 {
    hasher?.update(bytes)
    count += Int64(bytes.count)
    return count
  }

  /// Of the whole; nil when it was asked already.
  func finish() -> Digest? { hasher.take()?.finish() }
}
