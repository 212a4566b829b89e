import RPCModel
import TestSupport
import Testing

extension TestService {
  /// Sends a request that is to fail.
  ///
  /// - Parameters:
  ///   - hasHint: whether it is to say what to do instead.
  ///   - words: what it or its hint is to say.
  func expect<Request: RPCRequest>(
    _ kind: ErrorKind, of type: Request.Type, _ params: Request.Params, hasHint: Bool = false,
    saying words: String = "", _ location: SourceLocation = #_sourceLocation
  ) async {
    do {
      _ = try await send(type, params)
      Issue.record("\(Request.method.rawValue) succeeded", sourceLocation: location)
    } catch {
      let data = (error as? RPCError)?.data
      let isAsMeant =
        data?.kind == kind && (!hasHint || data?.hint?.isEmpty == false)
        && (words.isEmpty || "\(error) \(data?.hint ?? "")".contains(words))
      #expect(isAsMeant, "\(Request.method.rawValue): \(error)", sourceLocation: location)
    }
  }
}

/// A digit with which two of the ids that `make` makes begin: of seventeen, two do.
func sharedPrefix(_ make: () async throws -> String) async throws -> String {
  var seen: Set<Character> = []
  while true {
    let id = try await make()
    let first = try #require(id.first)
    if !seen.insert(first).inserted { return String(first) }
  }
}

/// Waits until a container that fails and is always started again waits for its next start. Each pause is twice the one before
/// it: a long one lasts for some requests.
func waitForPause(of container: String, _ service: TestService) async throws {
  try await eventually(describing: "\(container) waits for its next start") {
    try await service.send(ContainerInspect.self, .init(container: container)).container
  } until: {
    $0.state == .restarting && $0.restartCount >= 5
  }
}
