import OCIModel
import Synchronization
internal import SystemPackage

/// One blob on its way to a registry, over several tries: in one request, or in pieces where it is large.
///
/// Used by one task at a time.
final class BlobUpload: Sendable {
  private struct State {
    /// Of an upload that the registry began where it was asked for something else.
    var offered: WebAddress?
    /// Where it wants the next piece.
    var address: WebAddress?
    /// How much of the blob the registry has said it has.
    var confirmed: Int64 = 0
  }

  private let client: RegistryClient
  private let descriptor: Descriptor
  private let path: FilePath
  private let progress: @Sendable (Int64) -> Void
  private let state = Mutex(State())

  init(
    client: RegistryClient, descriptor: Descriptor, path: FilePath,
    progress: @escaping @Sendable (Int64) -> Void
  ) {
    self.client = client
    self.descriptor = descriptor
    self.path = path
    self.progress = progress
  }

  var confirmed: Int64 { state.withLock { $0.confirmed } }

  /// Asks the registry to take the blob from another of its repositories. What it begins instead where it does not is what
  /// `send` goes on with.
  ///
  /// - Returns: whether it did.
  func mount(from source: String, in repository: Repository) async throws -> Bool {
    guard
      let address = try repository.address("blobs/uploads/").adding("mount", descriptor.digest.description)?
        .adding("from", source)
    else { return false }
    let response: HTTPResponse
    do {
      response = try await client.send(request(.post, address), repository, .push)
    } catch TransferFailure.status(let refusal)
      where (400..<500).contains(refusal.head.status) && !refusal.head.isTransient
    {
      // Whoever may not read the source may still write here.
      return false
    }
    if response.head.status == 201 { return true }
    let offered = try location(response)
    state.withLock { $0.offered = offered }
    return false
  }

  /// Sends what the registry does not have yet.
  ///
  /// - Returns: the registry's answer to the whole.
  func send(to repository: Repository) async throws -> HTTPResponse {
    let chunk = client.configuration.uploadChunk
    if descriptor.size <= chunk {
      return try await finish(at: begin(in: repository), from: 0, repository)
    }
    var offset = try await resume(in: repository)
    while descriptor.size - offset > chunk {
      var patch = request(.patch, try address())
      // What the buffers on the way still hold goes out after the last byte was taken, which by a slow line takes long.
      patch.stallTimeout = client.configuration.commitTimeout
      patch.fields = [
        ("Content-Type", "application/octet-stream"), ("Content-Range", "\(offset)-\(offset + chunk - 1)"),
      ]
      patch.body = .file(path, offset..<offset + chunk, progress: progress)
      let response = try await client.send(patch, repository, .push)
      try follow(response)
      let taken = try end(response) ?? (offset + chunk)
      guard taken > offset, taken <= offset + chunk else {
        throw TransferFailure.malformed("the registry says that it has \(taken) bytes of the blob")
      }
      offset = taken
      state.withLock { $0.confirmed = offset }
    }
    return try await finish(at: try address(), from: offset, repository)
  }

  private func finish(at address: WebAddress, from offset: Int64, _ repository: Repository) async throws
    -> HTTPResponse
  {
    guard let target = address.adding("digest", descriptor.digest.description) else {
      throw TransferFailure.badAddress(address.text)
    }
    var put = request(.put, target)
    put.stallTimeout = client.configuration.commitTimeout
    put.fields = [("Content-Type", "application/octet-stream")]
    // Nothing is left to say a range of where the registry had all of it when the connection broke.
    if (1..<descriptor.size).contains(offset) {
      put.fields.append(("Content-Range", "\(offset)-\(descriptor.size - 1)"))
    }
    put.body = .file(path, offset..<descriptor.size, progress: progress)
    return try await client.send(put, repository, .push)
  }

  /// A try that broke before the registry has confirmed anything starts anew: what it has is not known to be good.
  private func begin(in repository: Repository) async throws -> WebAddress {
    if let offered = state.withLock({ $0.offered.take() }) { return offered }
    let response = try await client.send(
      request(.post, try repository.address("blobs/uploads/")), repository, .push)
    return try location(response)
  }

  /// Asks how much the registry has of an upload that was begun (distribution specification, "Pushing a blob in chunks");
  /// begins one where there is none, or none any more.
  private func resume(in repository: Repository) async throws -> Int64 {
    if let address = state.withLock({ $0.address }), confirmed > 0 {
      do {
        let response = try await client.send(request(.get, address), repository, .push)
        if response.head["location"] != nil { try follow(response) }
        let offset = try end(response) ?? 0
        guard (0...descriptor.size).contains(offset) else {
          throw TransferFailure.malformed("the registry says that it has \(offset) bytes of the blob")
        }
        if offset > 0 { return offset }
      } catch TransferFailure.status(let response) where response.head.status == 404 {}
    }
    let address = try await begin(in: repository)
    state.withLock { $0 = State(address: address) }
    return 0
  }

  private func request(_ method: HTTPRequest.Method, _ address: WebAddress) -> HTTPRequest {
    HTTPRequest(method, address, stallTimeout: client.configuration.stallTimeout)
  }

  private func address() throws -> WebAddress {
    guard let address = state.withLock({ $0.address }) else {
      throw TransferFailure.malformed("the registry does not say where to upload to")
    }
    return address
  }

  private func follow(_ response: HTTPResponse) throws {
    let next = try location(response)
    state.withLock { $0.address = next }
  }

  private func location(_ response: HTTPResponse) throws -> WebAddress {
    guard let location = response.head["location"] else {
      throw TransferFailure.malformed("the registry does not say where to upload to")
    }
    return try Redirect.address(location, from: response.address)
  }

  /// How many bytes the registry has by its Range field, `0-N`; nil where it does not say.
  private func end(_ response: HTTPResponse) throws -> Int64? {
    guard let range = response.head["range"] else { return nil }
    guard let match = range.wholeMatch(of: #/(?:bytes=)?0-([0-9]{1,18})/#), let last = Int64(match.1) else {
      throw TransferFailure.malformed("the registry's Range is '\(range.printable)'")
    }
    return last + 1
  }
}
