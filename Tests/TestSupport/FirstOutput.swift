import LinuxSystem
package import SystemPackage

extension FileDescriptor {
  /// Reads what there is, once there is something; no thread of the pool waits for it.
  ///
  /// - Returns: at most 4096 bytes; none at the end.
  /// - Throws: `TestFailure` where nothing comes.
  package func readWhenReady(_ what: String) async throws -> [UInt8] {
    do {
      try await withPatience(Patience.wait) { [self] in try await DescriptorWatcher.shared.readable(self) }
    } catch is OutOfPatience {
      throw TestFailure("waited in vain (\(Patience.wait)) for \(what)")
    }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try bytes.withUnsafeMutableBytes { try read(into: $0) }
    return Array(bytes[..<count])
  }
}

extension ChildProcess {
  /// What a program has written first to its standard output, which is a pipe: as a server that says that it listens.
  ///
  /// - Throws: `TestFailure` where it writes nothing, or has ended without.
  @discardableResult
  package func firstOutput() async throws -> String {
    guard let output = standardOutput else { throw TestFailure("its output is no pipe") }
    let bytes = try await output.readWhenReady("the first output of a program")
    guard !bytes.isEmpty else { throw TestFailure("a program ended and said nothing") }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension AsyncStream where Element: Sendable {
  /// Waits for the first element that fits.
  ///
  /// - Throws: `TestFailure` where none comes, or the stream ends before.
  @discardableResult
  package func first(_ what: String, where accepts: @escaping @Sendable (Element) -> Bool = { _ in true })
    async throws -> Element
  {
    let found: Element?
    do {
      found = try await withPatience(Patience.wait) { [self] in
        for await element in self where accepts(element) { return element }
        return nil
      }
    } catch is OutOfPatience {
      throw TestFailure("waited in vain (\(Patience.wait)) for \(what)")
    }
    guard let found else { throw TestFailure("there is no \(what)") }
    return found
  }
}
