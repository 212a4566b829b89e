package import EngineErrors
import LinuxSystem
package import OCIModel
package import SystemPackage

/// What a push had to do.
package enum PushOutcome: Hashable, Sendable {
  case uploaded
  /// The registry had it in another repository and gave it to this one.
  case mounted
}

extension RegistryClient {
  /// Stores a blob in a repository from a file. Whether it is there already the caller asks before (`hasBlob`).
  ///
  /// - Parameters:
  ///   - path: a file with exactly the descriptor's bytes, which the registry verifies by their digest.
  ///   - source: another repository of the registry that probably has it; nothing is sent where it does
  ///     (distribution specification, "Mounting a blob from another repository").
  ///   - progress: gets the bytes sent so far, on the transfer's thread; after a broken connection it goes back to what
  ///     the registry has.
  /// - Throws: `corrupt` where the file has another size; `digestMismatch` where the registry says it is
  ///   another blob; `unauthorized`, `unreachable`, `unsupported`, `invalidArgument`.
  @discardableResult
  package func pushBlob(
    _ reference: Reference, _ descriptor: Descriptor, from path: FilePath, mountingFrom source: String? = nil,
    progress: @escaping @Sendable (Int64) -> Void = { _ in }
  ) async throws(EngineError) -> PushOutcome {
    let operation = "push blob \(descriptor.digest) to \(reference)"
    let subject = descriptor.digest.description
    try await checkSize(of: path, descriptor, operation)
    let upload = BlobUpload(client: self, descriptor: descriptor, path: path, progress: progress)
    return try await asking(
      reference, .push, to: operation, subject: subject, received: { upload.confirmed }
    ) { repository in
      if upload.confirmed == 0, let source, try await upload.mount(from: source, in: repository) {
        return .mounted
      }
      let response = try await upload.send(to: repository)
      if let stated = response.head["docker-content-digest"].flatMap({ try? Digest($0) }),
        stated != descriptor.digest
      {
        throw EngineError(
          .digestMismatch, "cannot \(operation)", subject: subject, causes: ["the registry stored \(stated)"])
      }
      return .uploaded
    }
  }

  private func checkSize(
    of path: FilePath, _ descriptor: Descriptor, _ operation: String
  ) async throws(EngineError) {
    do {
      let size = try await onBlockingThread("registry-stat") {
        let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        return try file.closeAfter { try file.seek(offset: 0, from: .end) }
      }
      guard size == descriptor.size else {
        throw EngineError(
          .corrupt, "cannot \(operation)", subject: descriptor.digest.description,
          causes: ["\(path) has \(size) bytes where the descriptor says \(descriptor.size)"])
      }
    } catch {
      throw EngineError(operation, wrapping: error, subject: path.string)
    }
  }
}
