import Foundation
import Glibc
import Synchronization

/// Tells when the person's terminal has another size (SIGWINCH).
final class WindowSizes: Sendable {
  private let handler = Mutex<(@Sendable () -> Void)?>(nil)

  init() {
    // As for Ctrl-C: the signal handler may do no more than write(2).
    guard let pipe = makePipe() else { return }
    windowPipe = pipe.write
    _ = fcntl(pipe.write, F_SETFL, O_NONBLOCK)
    signal(SIGWINCH) { _ in
      let error = errno
      var byte: UInt8 = 0
      _ = write(windowPipe, &byte, 1)
      errno = error
    }
    let reading = pipe.read
    Thread.detachNewThread { [weak self] in
      var bytes = [UInt8](repeating: 0, count: 64)
      while true {
        let count = read(reading, &bytes, bytes.count)
        if count > 0 { self?.handler.withLock { $0 }?() } else if count == 0 || errno != EINTR { return }
      }
    }
  }

  /// Who is told; nil for nobody.
  func onChange(_ body: (@Sendable () -> Void)?) { handler.withLock { $0 = body } }
}

/// Where the signal handler writes. Set once, before the handler is installed.
nonisolated(unsafe) private var windowPipe: CInt = -1
