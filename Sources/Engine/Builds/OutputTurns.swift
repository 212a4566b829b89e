import Synchronization

/// Lets what RUNs write out one after the other, in the order in which they come: stages write at once, and a stream has one
/// writer.
final class OutputTurns: Sendable {
  private struct State {
    var isTaken = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }
  private let state = Mutex(State())
  private let output: @Sendable ([UInt8]) async throws -> Void

  /// - Parameter output: may wait for its receiver; it ends early in a task that is cancelled.
  init(_ output: @escaping @Sendable ([UInt8]) async throws -> Void) { self.output = output }

  func write(_ bytes: [UInt8]) async throws {
    await withCheckedContinuation { continuation in
      let isFree = state.withLock { state in
        defer { state.isTaken = true }
        if state.isTaken { state.waiting.append(continuation) }
        return !state.isTaken
      }
      if isFree { continuation.resume() }
    }
    defer { endTurn() }
    try await output(bytes)
  }

  private func endTurn() {
    let next = state.withLock { state in
      guard !state.waiting.isEmpty else {
        state.isTaken = false
        return nil as CheckedContinuation<Void, Never>?
      }
      return state.waiting.removeFirst()
    }
    next?.resume()
  }
}
