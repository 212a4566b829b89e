import Synchronization

/// Lets a few tests with services run at once. All together they would come near what the kernel gives a user (128 inotify
/// instances, /proc/sys/fs/inotify/max_user_instances), and make each other slow.
enum TestPlaces {
  private static let most = 16

  private struct State {
    var taken = 0
    var waiting: [CheckedContinuation<Void, Never>] = []
  }
  private static let state = Mutex(State())
  /// Whether the test at hand has a place: one that uses two stores needs no second.
  @TaskLocal private static var isTaken = false

  static func withPlace<Result: Sendable>(_ body: @Sendable () async throws -> Result) async rethrows
    -> Result
  {
    if isTaken { return try await body() }
    await take()
    defer { give() }
    return try await $isTaken.withValue(true) { try await body() }
  }

  private static func take() async {
    await withCheckedContinuation { continuation in
      let isFree = state.withLock { state in
        if state.taken < most {
          state.taken += 1
          return true
        }
        state.waiting.append(continuation)
        return false
      }
      if isFree { continuation.resume() }
    }
  }

  /// Hands the place on.
  private static func give() {
    let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
      if state.waiting.isEmpty {
        state.taken -= 1
        return nil
      }
      return state.waiting.removeFirst()
    }
    next?.resume()
  }
}
