package import EngineErrors
import LinuxSystem
package import SystemPackage

/// Where an archive comes from that the engine reads.
package enum ArchiveSource: Sendable {
  case file(FilePath)
  case client(IncomingBytes)

  /// For people.
  var name: String {
    switch self {
    case .file(let path): path.lastComponent?.string ?? path.string
    case .client: "stream"
    }
  }

  /// In bytes; nil where nobody knows it beforehand.
  var size: Int64? {
    get throws {
      switch self {
      case .file(let path): try fileSize(path)
      case .client: nil
      }
    }
  }

  /// Gives all bytes to `body`; the first piece has four at least, where there are as many. Blocks.
  ///
  /// - Parameter progress: called with the number of bytes so far.
  func read(_ progress: (Int64) -> Void, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    switch self {
    case .file(let path): try readFile(path, progress, body)
    case .client(let bytes): try bytes.read(progress, body)
    }
  }

  /// Makes `read` throw soon.
  func stop() {
    if case .client(let bytes) = self { bytes.fail(.cancelled("reading the archive")) }
  }
}

/// Bytes on their way from a client to a thread that reads them. As many wait as the client was allowed to send.
package final class IncomingBytes: Sendable {
  private struct State {
    var chunks: [[UInt8]] = []
    var isFinished = false
    var error: EngineError?
  }
  private let state = Condition(State())
  private let onTaken: @Sendable (Int) -> Void

  /// - Parameter onTaken: called with the number of bytes that have been read, for which others may come.
  package init(onTaken: @escaping @Sendable (Int) -> Void) { self.onTaken = onTaken }

  /// Never blocks.
  package func append(_ bytes: [UInt8]) { state.change { $0.chunks.append(bytes) } }

  /// No more comes.
  package func finish() { state.change { $0.isFinished = true } }

  /// Makes the reader throw; the first error stays.
  package func fail(_ error: EngineError) { state.change { $0.error = $0.error ?? error } }

  fileprivate func read(_ progress: (Int64) -> Void, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    var first: [UInt8] = []
    var done: Int64 = 0
    while let chunk = try next() {
      onTaken(chunk.count)
      done += Int64(chunk.count)
      progress(done)
      if done > 4, first.isEmpty {
        try chunk.withUnsafeBytes(body)
      } else {
        first += chunk
        if done >= 4 {
          try first.withUnsafeBytes(body)
          first = []
        }
      }
    }
    if !first.isEmpty { try first.withUnsafeBytes(body) }
  }

  private func next() throws(EngineError) -> [UInt8]? {
    try state.wait(until: { !$0.chunks.isEmpty || $0.isFinished || $0.error != nil }) {
      state throws(EngineError) in
      if let error = state.error { throw error }
      return state.chunks.isEmpty ? nil : state.chunks.removeFirst()
    }
  }
}
