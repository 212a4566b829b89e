package import EngineErrors
package import OCIModel

/// A manifest as the registry sent it, its digest verified.
package struct FetchedManifest: Sendable {
  /// The exact bytes the digest is of.
  package var bytes: [UInt8]
  package var mediaType: String
  package var digest: Digest
  package var document: ManifestDocument

  /// What the store and other manifests name it by.
  package var descriptor: Descriptor {
    Descriptor(mediaType: mediaType, digest: digest, size: Int64(bytes.count))
  }
}

extension RegistryClient {
  /// The size that registries commonly set as a limit, and the specification asks clients to respect.
  static let manifestLimit = 4 << 20

  /// Fetches the manifest or index that a reference names, by its digest where it has one.
  ///
  /// - Throws: `notFound`, `unauthorized`, `unreachable`; `digestMismatch` where the bytes are not
  ///   those of the reference's digest or of Docker-Content-Digest; `corrupt` for what is no manifest or is larger
  ///   than 4 MiB; `unsupported` for other kinds of manifest.
  package func manifest(_ reference: Reference) async throws(EngineError) -> FetchedManifest {
    let operation = "fetch the manifest of \(reference)"
    return try await asking(reference, .pull, to: operation, subject: reference.description) { repository in
      var request = HTTPRequest(
        .get, try repository.address("manifests/\(reference.manifestName)"),
        stallTimeout: configuration.stallTimeout)
      request.fields = [("Accept", MediaType.accepted.joined(separator: ", "))]
      let response = try await send(request, repository, .pull) { head in
        if let length = head.contentLength, length > Int64(Self.manifestLimit) {
          throw TransferFailure.malformed("the manifest is \(length) bytes long; 4 MiB is the limit")
        }
        return .collect(limit: Self.manifestLimit)
      }
      return try fetched(response, as: reference)
    }
  }

  /// Checks that a response has the manifest that was asked for.
  private func fetched(_ response: HTTPResponse, as reference: Reference) throws -> FetchedManifest {
    let digest = Digest(of: response.body)
    let stated = response.head["docker-content-digest"].flatMap { try? Digest($0) }
    if let expected = reference.digest ?? stated, expected != digest {
      throw TransferFailure.unusable(
        EngineError(
          .digestMismatch, "the registry sent a document with digest \(digest) where \(expected) is expected")
      )
    }
    let type = response.head["content-type"]?.split(separator: ";").first.map { String($0).trimming }
    let document: ManifestDocument
    do {
      document = try ManifestDocument(parsing: response.body, mediaType: type)
    } catch {
      throw TransferFailure.unusable(error)
    }
    return FetchedManifest(
      bytes: response.body, mediaType: document.mediaType, digest: digest, document: document)
  }

  /// Stores a manifest or index under the reference's tag, or by its digest where there is no tag.
  ///
  /// What it names must be in the repository already.
  ///
  /// - Returns: the digest of `bytes`.
  /// - Throws: `digestMismatch` where the reference or the registry states another digest; `invalidArgument`
  ///   where the registry refuses it; `unauthorized`, `unreachable`, `unsupported`.
  @discardableResult
  package func pushManifest(
    _ reference: Reference, _ bytes: [UInt8], mediaType: String
  ) async throws(EngineError) -> Digest {
    let operation = "push the manifest of \(reference)"
    let digest = Digest(of: bytes)
    func mismatch(_ other: Digest, _ who: String) -> EngineError {
      EngineError(
        .digestMismatch, "cannot \(operation)", subject: reference.description,
        causes: ["its digest is \(digest), \(who) \(other)"])
    }
    if let wanted = reference.digest, wanted != digest { throw mismatch(wanted, "the reference says") }
    let response = try await asking(reference, .push, to: operation, subject: reference.description) {
      repository in
      let name = reference.tag ?? digest.description
      var request = HTTPRequest(
        .put, try repository.address("manifests/\(name)"), stallTimeout: configuration.commitTimeout)
      request.fields = [("Content-Type", mediaType)]
      request.body = .bytes(bytes)
      return try await send(request, repository, .push)
    }
    if let stated = response.head["docker-content-digest"].flatMap({ try? Digest($0) }), stated != digest {
      throw mismatch(stated, "the registry stored")
    }
    return digest
  }
}
