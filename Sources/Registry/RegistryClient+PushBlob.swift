package import EngineErrors
import LinuxSystem
package import OCIModel
package import SystemPackage

/// What a push had to do.
package enum PushOutcome: Hashable, Sendable {
  case uploaded
  /// The repository had the blob already.
  case alreadyThere
}

extension RegistryClient {
  /// Stores a blob in a repository from a file, in one request, unless it is there.
  ///
  /// - Parameters:
  ///   - path: a file with exactly the descriptor's bytes, which the registry verifies by their digest.
  ///   - progress: gets the bytes sent so far, on the transfer's thread; after a broken connection it starts
  ///     from zero again.
  /// - Throws: `corrupt` where the file has another size; `digestMismatch` where the registry says it is
  ///   another blob; `unauthorized`, `unreachable`, `timedOut`, `unsupported`, `invalidArgument`.
  @discardableResult
  package func pushBlob(
    _ reference: Reference, _ descriptor: Descriptor, from path: FilePath,
    progress: @escaping @Sendable (Int64) -> Void = { _ in }
  ) async throws(EngineError) -> PushOutcome {
    let operation = "push blob \(descriptor.digest) to \(reference)"
    let subject = descriptor.digest.description
    if try await hasBlob(reference, descriptor.digest, .push) { return .alreadyThere }
    try await checkSize(of: path, descriptor, operation)
    try await retrying(operation, subject: subject) {
      // A broken upload starts anew: what the registry has of it is not known to be good.
      let begin = HTTPRequest(
        .post, try address(reference, "blobs/uploads/"), stallTimeout: configuration.stallTimeout)
      let session = try await send(begin, reference, .push)
      guard let location = session.head["location"] else {
        throw TransferFailure.malformed("the registry does not say where to upload to")
      }
      let target = try Redirect.address(location, from: session.address)
      guard let address = target.adding("digest", descriptor.digest.description) else {
        throw TransferFailure.badAddress(location)
      }
      var upload = HTTPRequest(.put, address, stallTimeout: configuration.commitTimeout)
      upload.fields = [("Content-Type", "application/octet-stream")]
      upload.body = .file(path, size: descriptor.size, progress: progress)
      let response = try await send(upload, reference, .push)
      if let stated = response.head["docker-content-digest"].flatMap({ try? Digest($0) }),
        stated != descriptor.digest
      {
        throw EngineError(
          .digestMismatch, "cannot \(operation)", subject: subject, causes: ["the registry stored \(stated)"])
      }
    }
    return .uploaded
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
