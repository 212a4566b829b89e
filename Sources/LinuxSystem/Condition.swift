import Glibc

/// A value behind a lock, with threads that wait for it to change (pthread_cond_wait(3)).
///
/// For threads of our own only: to wait here on the cooperative pool would hold one of its threads.
package final class Condition<Value>: @unchecked Sendable {
  // Guarded by `mutex`, which makes this Sendable: `value` is read and written with it held only.
  private var value: Value
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  package init(_ value: sending Value) {
    self.value = value
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(changed, nil)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(mutex)
    changed.deallocate()
    mutex.deallocate()
  }

  /// Runs `body` with the lock held and wakes all that wait.
  package func change<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer {
      // In this order: who is woken would wait for the lock next.
      pthread_mutex_unlock(mutex)
      pthread_cond_broadcast(changed)
    }
    return try body(&value)
  }

  /// Runs `body` with the lock held, and wakes all that wait where it answers that there is something for them.
  package func changePerhaps(_ body: (inout Value) -> Bool) {
    pthread_mutex_lock(mutex)
    let wakes = body(&value)
    pthread_mutex_unlock(mutex)
    if wakes { pthread_cond_broadcast(changed) }
  }

  /// Runs `body` with the lock held and wakes nobody.
  package func read<Result, Failure: Error>(
    _ body: (borrowing Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(value)
  }

  /// Blocks until `isReady` holds, then runs `body` under the same lock, which changes nothing that others wait for.
  package func waitQuietly<Result, Failure: Error>(
    until isReady: (borrowing Value) -> Bool, _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while !isReady(value) { pthread_cond_wait(changed, mutex) }
    return try body(&value)
  }

  /// Blocks until `isReady` holds, then runs `body` under the same lock and wakes all that wait.
  package func wait<Result, Failure: Error>(
    until isReady: (borrowing Value) -> Bool, _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    while !isReady(value) { pthread_cond_wait(changed, mutex) }
    defer {
      pthread_mutex_unlock(mutex)
      pthread_cond_broadcast(changed)
    }
    return try body(&value)
  }
}
