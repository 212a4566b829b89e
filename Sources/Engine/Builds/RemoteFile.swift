import Dockerfile
import EngineErrors
import Foundation
import LinuxSystem
import OCIModel
import Synchronization
import SystemPackage

/// A file that ADD fetches, in a directory of its own until it has been copied.
extension RemoteSources {
  /// - Parameter checksum: what its digest must be; nil where nobody said.
  /// - Throws: `digestMismatch`; `unsupported` for a checksum of another kind than SHA-256.
  func fetch(_ source: Word, checksum: Word?) async throws -> SourceRoot {
    let wanted = try checksum.map { word in
      guard let digest = try? Digest(word.text) else {
        throw file.error(
          "ADD: '\(word.text.prefix(100))' is not a checksum", at: word.position,
          hint: "write it as sha256: and 64 hexadecimal digits")
      }
      return digest
    }
    let step = try engine.prepareStep()
    do {
      let path = step.upper.appending(Self.fileName(source.text))
      let output = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec, .noFollow],
        permissions: [.ownerReadWrite])
      let (count, limit) = (FetchedCount(), engine.configuration.buildDownloadBytes)
      do {
        let title = "fetch \(source.text.prefix(200))"
        try await reporter.task(title) { progress, _ in
          try await engine.registry.fetchFile(source.text) { bytes in
            let total = count.add(bytes.count)
            guard total <= limit else {
              throw EngineError(
                .corrupt, "\(source.text.prefix(200)) has more than \(limit) bytes", subject: source.text,
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
      let found = try await onBlockingThread("hash") { try Self.digest(of: path) }
      if let wanted, found != wanted {
        throw EngineError(
          .digestMismatch,
          "\(file.name):\(source.position): ADD: \(source.text) is \(found) and not \(wanted)",
          subject: source.text, retriable: false)
      }
      let directory = OwnedDescriptor(try openDirectory(step.upper).release())
      return SourceRoot(directory, name: source.text, isContext: true) { [engine] in
        engine.discardStep(step.id)
      }
    } catch {
      engine.discardStep(step.id)
      throw error
    }
  }

  private static func digest(of path: FilePath) throws -> Digest {
    var hasher = SHA256()
    let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
    try file.closeAfter {
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
      defer { buffer.deallocate() }
      while true {
        let count = try file.read(into: buffer)
        if count == 0 { break }
        hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    }
    return hasher.finish()
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

/// How many bytes have come.
private final class FetchedCount: Sendable {
  private let count = Atomic<Int64>(0)
  func add(_ more: Int) -> Int64 { count.add(Int64(more), ordering: .relaxed).newValue }
}
