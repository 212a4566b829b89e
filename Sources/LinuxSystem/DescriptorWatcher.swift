internal import CLinux
internal import Glibc
internal import Synchronization
package import SystemPackage

/// One thread that waits, with epoll, until any of many descriptors is ready, for the whole process.
///
/// For rare events such as the end of a process; a read loop has a thread of its own.
package final class DescriptorWatcher: Sendable {
  package static let shared = DescriptorWatcher()

  package enum Readiness: Sendable {
    /// Or at its end.
    case readable
    /// The kernel's own word that a file of its own has changed (POLLPRI).
    case urgent
    /// Or nobody reads any more.
    case writable
  }

  private struct Watch {
    var copy: CInt
    var body: @Sendable (Result<Void, any Error>) -> Void
  }
  private struct State {
    var nextToken: UInt64 = 1
    var watches: [UInt64: Watch] = [:]
    var epoll: Result<CInt, SystemError>?
  }
  private let state = Mutex(State())

  /// Names a watch, for cancelling it.
  package struct Token: Sendable {
    fileprivate let number: UInt64
  }

  /// Calls `body` once, on the watcher's thread, when the descriptor is ready. It must not block.
  ///
  /// The descriptor is copied: the caller may close its own at any time.
  package func when(
    _ descriptor: FileDescriptor, is readiness: Readiness,
    _ body: @escaping @Sendable (Result<Void, any Error>) -> Void
  ) throws(SystemError) -> Token {
    let copy = try call("fcntl") { clinux_dup_above(descriptor.rawValue, 3) }
    let added: Result<UInt64, SystemError> = state.withLock { state in
      let epoll: CInt
      switch state.epoll ?? startThread(&state) {
      case .success(let descriptor): epoll = descriptor
      case .failure(let error): return .failure(error)
      }
      let token = state.nextToken
      state.nextToken += 1
      guard clinux_epoll_add(epoll, copy, token, readiness.word) == 0 else {
        return .failure(SystemError("epoll_ctl", Errno(rawValue: clinuxErrno())))
      }
      state.watches[token] = Watch(copy: copy, body: body)
      return .success(token)
    }
    switch added {
    case .success(let number): return Token(number: number)
    case .failure(let error):
      close(copy)
      throw error
    }
  }

  /// Ends a watch: its body is called with `CancellationError`, unless it was called before.
  package func cancel(_ token: Token) {
    take(token.number)?.body(.failure(CancellationError()))
  }

  /// Waits until one of the descriptors is readable or at its end.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled.
  package func readable(_ descriptors: FileDescriptor...) async throws {
    try await first(descriptors.map { ($0, .readable) })
  }

  /// Waits until something can be written, or nobody reads any more.
  ///
  /// - Throws: `CancellationError` as soon as the task is cancelled.
  package func writable(_ descriptor: FileDescriptor) async throws {
    try await first([(descriptor, .writable)])
  }

  /// Waits until the kernel says that one of its files has changed (POLLPRI), or with `isUrgent` false is readable, or
  /// `other` is readable.
  package func changed(_ descriptor: FileDescriptor, isUrgent: Bool, or other: FileDescriptor) async throws {
    try await first([(descriptor, isUrgent ? .urgent : .readable), (other, .readable)])
  }

  private func first(_ watched: [(FileDescriptor, Readiness)]) async throws {
    let wait = FirstReady(watcher: self)
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { wait.begin(watched, $0) }
    } onCancel: {
      wait.finish(.failure(CancellationError()))
    }
  }

  private func take(_ token: UInt64) -> Watch? {
    state.withLock { state in
      guard let watch = state.watches.removeValue(forKey: token) else { return nil }
      if case .success(let epoll) = state.epoll { _ = clinux_epoll_remove(epoll, watch.copy) }
      close(watch.copy)
      return watch
    }
  }

  private func startThread(_ state: inout State) -> Result<CInt, SystemError> {
    let epoll = clinux_epoll()
    guard epoll >= 0 else {
      return .failure(SystemError("epoll_create1", Errno(rawValue: clinuxErrno())))
    }
    state.epoll = .success(epoll)
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { argument in
        if let argument {
          Unmanaged<DescriptorWatcher>.fromOpaque(argument).takeUnretainedValue().run()
        }
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    if error != 0 {
      state.epoll = nil
      close(epoll)
      return .failure(SystemError("pthread_create", Errno(rawValue: error)))
    }
    pthread_detach(thread)
    return .success(epoll)
  }

  private func run() {
    guard case .success(let epoll) = state.withLock({ $0.epoll }) else { return }
    var tokens = [UInt64](repeating: 0, count: 32)
    while true {
      let count = clinux_epoll_wait(epoll, &tokens, 32)
      for index in 0..<max(0, Int(count)) {
        take(tokens[index])?.body(.success(()))
      }
    }
  }
}

extension DescriptorWatcher.Readiness {
  fileprivate var word: clinux_readiness {
    switch self {
    case .readable: CLINUX_READINESS_READABLE
    case .urgent: CLINUX_READINESS_URGENT
    case .writable: CLINUX_READINESS_WRITABLE
    }
  }
}
