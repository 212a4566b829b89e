import Foundation
import Glibc
import Synchronization

/// Ctrl-C: goes to whatever is under way, the innermost first.
final class Interrupts: Sendable {
  private let handlers = Mutex<[(Int, @Sendable () -> Void)]>([])
  private let nextNumber = Mutex(0)

  init() {
    // The signal handler may do no more than write(2); a thread of its own does the rest.
    guard let pipe = makePipe() else { return }
    interruptPipe = pipe.write
    signal(SIGINT) { _ in
      let error = errno
      var byte: UInt8 = 0
      _ = write(interruptPipe, &byte, 1)
      errno = error
    }
    let reading = pipe.read
    Thread.detachNewThread { [weak self] in
      var byte: UInt8 = 0
      while true {
        let count = read(reading, &byte, 1)
        if count == 1 { self?.interrupt() } else if count == 0 || errno != EINTR { return }
      }
    }
  }

  private func interrupt() { handlers.withLock { $0.last?.1 }?() }

  /// Sends interrupts to `handler` while `body` runs.
  func handle<Result>(_ handler: @escaping @Sendable () -> Void, during body: () async throws -> Result)
    async rethrows
    -> Result
  {
    let number = begin(handler)
    defer { end(number) }
    return try await body()
  }

  /// Sends interrupts to `handler` until `end`.
  func begin(_ handler: @escaping @Sendable () -> Void) -> Int {
    let number = nextNumber.withLock { number in
      number += 1
      return number
    }
    handlers.withLock { $0.append((number, handler)) }
    return number
  }

  func end(_ number: Int) { handlers.withLock { $0.removeAll { $0.0 == number } } }
}

/// Where the signal handler writes. Set once, before the handler is installed.
nonisolated(unsafe) private var interruptPipe: CInt = -1
