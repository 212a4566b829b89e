package import EngineErrors
package import OCIModel
import Synchronization

extension RegistryClient {
  /// Fetches a blob's bytes, in order, each once.
  ///
  /// A connection that breaks is resumed where it broke. Whoever takes the bytes checks their digest.
  ///
  /// - Parameters:
  ///   - offset: how many bytes the caller has already; `receive` gets those after them.
  ///   - receive: called on a thread of the transfer, in libcurl's own buffer, which is gone when it returns;
  ///     pieces are at most 16 KiB. It may block, which holds up this transfer alone; a caller that cancels
  ///     the task must unblock it. What it throws ends the transfer and is thrown from here, wrapped unless it
  ///     is an `EngineError`.
  /// - Throws: `notFound`, `unauthorized`, `unreachable` also when the connection keeps breaking midway,
  ///   `corrupt` where the registry's blob is shorter or longer than the descriptor says.
  package func fetchBlob(
    _ reference: Reference, _ descriptor: Descriptor, from offset: Int64 = 0,
    receive: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
  ) async throws(EngineError) {
    let operation = "fetch blob \(descriptor.digest) of \(reference)"
    guard (0...max(descriptor.size, 0)).contains(offset) else {
      throw EngineError(
        .invalidArgument, "cannot \(operation)", subject: descriptor.digest.description,
        causes: ["the offset \(offset) is outside its \(descriptor.size) bytes"])
    }
    let delivery = Delivery(from: offset, size: descriptor.size, receive: receive)
    try await asking(
      reference, .pull, to: operation, subject: descriptor.digest.description,
      received: { delivery.position - offset }
    ) { repository in
      let start = delivery.position
      guard start < descriptor.size else { return }
      var request = HTTPRequest(
        .get, try repository.address("blobs/\(descriptor.digest)"), stallTimeout: configuration.stallTimeout)
      request.isBulk = true
      if start > 0 { request.fields = [("Range", "bytes=\(start)-")] }
      let response = try await send(request, repository, .pull) { head in
        try delivery.begin(head, wantedFrom: start)
        return .deliver { try delivery.deliver($0) }
      }
      try delivery.end(response.head)
    }
  }

  /// Whether the repository has a blob that would be pushed there.
  package func hasBlob(_ reference: Reference, _ digest: Digest) async throws(EngineError) -> Bool {
    try await asking(
      reference, .push, to: "look up blob \(digest) of \(reference)", subject: digest.description
    ) { repository in
      let request = HTTPRequest(
        .head, try repository.address("blobs/\(digest)"), stallTimeout: configuration.stallTimeout)
      do {
        _ = try await send(request, repository, .push)
        return true
      } catch TransferFailure.status(let response) where response.head.status == 404 {
        return false
      }
    }
  }
}

/// Passes the bytes of one blob on, over several responses, each byte once.
private final class Delivery: Sendable {
  private struct State {
    /// Where in the blob the next byte for the receiver is.
    var position: Int64
    /// How many bytes of the response at hand the receiver has had before.
    var skip: Int64 = 0
  }

  private let size: Int64
  private let receive: @Sendable (UnsafeRawBufferPointer) throws -> Void
  private let state: Mutex<State>

  init(from offset: Int64, size: Int64, receive: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void)
  {
    self.size = size
    self.receive = receive
    state = Mutex(State(position: offset))
  }

  var position: Int64 { state.withLock { $0.position } }

  /// Checks that a response is the part of the blob that was asked for.
  func begin(_ head: ResponseHead, wantedFrom start: Int64) throws {
    switch head.status {
    case 206:
      guard let range = ContentRange(head["content-range"] ?? ""), range.first == start,
        range.total == nil || range.total == size
      else {
        throw TransferFailure.malformed("the registry sent another part of the blob than it was asked for")
      }
      state.withLock { $0.skip = 0 }
    case 200:
      if let length = head.contentLength, length != size { throw wrongSize(length) }
      // The server does not do ranges: what the receiver has is read past.
      state.withLock { $0.skip = start }
    default:
      throw TransferFailure.malformed("the registry answers \(head.status) where a blob is expected")
    }
  }

  func deliver(_ bytes: UnsafeRawBufferPointer) throws {
    let (skipped, position) = state.withLock { state -> (Int, Int64) in
      let skipped = min(state.skip, Int64(bytes.count))
      state.skip -= skipped
      return (Int(skipped), state.position)
    }
    let new = UnsafeRawBufferPointer(rebasing: bytes[skipped...])
    guard !new.isEmpty else { return }
    let left = size - position
    guard Int64(new.count) <= left else {
      throw TransferFailure.malformed("the blob goes on beyond the \(size) bytes that its descriptor says")
    }
    try receive(new)
    state.withLock { $0.position += Int64(new.count) }
  }

  /// Checks that a response that ended without an error has brought everything.
  func end(_ head: ResponseHead) throws {
    let position = position
    guard position < size else { return }
    // Without a length or chunks the end of the connection is all there is, broken or not.
    if head.contentLength == nil, head["transfer-encoding"] == nil {
      throw TransferFailure.broken("the blob ended after \(position) of \(size) bytes")
    }
    throw wrongSize(position)
  }

  private func wrongSize(_ length: Int64) -> TransferFailure {
    .malformed("the registry's blob has \(length) bytes where its descriptor says \(size)")
  }
}

/// A Content-Range field (RFC 9110, section 14.4).
struct ContentRange: Hashable, Sendable {
  var first: Int64
  var last: Int64
  /// Nil where the server does not say.
  var total: Int64?

  init?(_ field: String) {
    guard let match = field.wholeMatch(of: #/bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)/#),
      let first = Int64(match.1), let last = Int64(match.2), first <= last
    else { return nil }
    self.first = first
    self.last = last
    total = Int64(match.3)
  }
}
