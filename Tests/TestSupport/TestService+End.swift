import Glibc
package import RPCTransport
package import Testing

/// Waits for a service's end, none of which lasts for ever: one that does not end is killed, and that is an issue.
extension TestService {
  /// Ends the session in order.
  ///
  /// - Returns: the service's exit code; 128 and the signal's number where one ended it.
  package func stop(_ place: SourceLocation = #_sourceLocation) async -> Int32 {
    await bounded(place) { await process.stop() }
  }

  /// Waits for an end that something else brings about.
  @discardableResult
  package func waitForExit(_ place: SourceLocation = #_sourceLocation) async -> Int32 {
    await bounded(place) { await process.waitForExit() }
  }

  /// Waits for the end of a service that was to be killed, by itself or by the test, in the midst of a request that has failed
  /// for that reason. One that has answered lives.
  package func expectDeath(_ place: SourceLocation = #_sourceLocation) async {
    if !process.connection.isClosed {
      Issue.record("the request has failed, but its service lives", sourceLocation: place)
      process.kill(SIGKILL)
    }
    let status = await waitForExit(place)
    #expect(status == 128 + SIGKILL, sourceLocation: place)
  }

  private func bounded(_ place: SourceLocation, _ wait: () async -> Int32) async -> Int32 {
    let watch = Task {
      try await Task.sleep(for: Patience.wait)
      recordVainWait(for: "the end of a service", instead: "it lives, and is killed", at: place)
      process.kill(SIGKILL)
    }
    defer { watch.cancel() }
    return await wait()
  }
}
