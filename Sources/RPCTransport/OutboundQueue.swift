import DequeModule
import Foundation
import RPCModel

/// What waits to be written to the other side, bounded, in two lanes.
///
/// Control holds responses and notifications and is always written first; bulk holds stream data, which is made
/// only as fast as the lane empties. So a bulk stream delays a control message by one chunk at the most.
/// All state is guarded by `condition`.
final class OutboundQueue: @unchecked Sendable {
  struct Limits: Sendable {
    /// Control messages that wait, in bytes; more ends the session.
    var control = 64 << 20
    /// Control messages that wait, in bytes, before `waitForRoom` waits.
    var paced = 4 << 20
    /// Bulk messages that wait, in bytes; whoever makes more waits.
    var bulk = 256 << 10
    /// Bytes of a message that its sender may write: a pipe takes them whole or not (pipe(7), PIPE_BUF).
    var atOnce = 4096
  }

  private struct Entry {
    var bytes: [UInt8]
    /// What it coalesces on, in control; its stream, in bulk.
    var key: String?
  }

  private let limits: Limits
  private let condition = NSCondition()
  private var control = Deque<Entry>()
  private var controlBytes = 0
  /// Where in `control` a coalescing message waits, as a number that counts from the first entry ever.
  private var coalescing: [String: Int] = [:]
  private var firstControl = 0
  private var bulk = Deque<Entry>()
  private var bulkBytes = 0
  private var waiters: [CheckedContinuation<Bool, Never>] = []
  private var isClosed = false
  private var isOverflowing = false
  /// What a sender has begun to write.
  private var rest: [UInt8]?
  /// Whether the writing thread has a message from `next`.
  private var isWriting = false
  /// How many messages that thread has asked for.
  private var asked = 0
  private let writeAtOnce: ([UInt8]) -> Int
  private let begin: ([UInt8]) -> Void

  /// - Parameters:
  ///   - writeAtOnce: writes as much of a message as need not wait, and answers how many bytes that was.
  ///   - begin: is called with each message before its first byte is written, in their order.
  init(
    limits: Limits = Limits(), writeAtOnce: @escaping ([UInt8]) -> Int = { _ in 0 },
    begin: @escaping ([UInt8]) -> Void = { _ in }
  ) {
    self.limits = limits
    self.writeAtOnce = writeAtOnce
    self.begin = begin
  }

  /// Queues a message that must be delivered.
  ///
  /// - Returns: false when the queue is closed, or now overflows and is closed for it.
  @discardableResult
  func send(_ bytes: [UInt8], coalescingKey: String? = nil) -> Bool {
    condition.lock()
    var waiting: [CheckedContinuation<Bool, Never>] = []
    defer {
      condition.unlock()
      for continuation in waiting { continuation.resume(returning: false) }
    }
    guard !isClosed else { return false }
    if let key = coalescingKey, let place = coalescing[key] {
      controlBytes += bytes.count - control[place - firstControl].bytes.count
      control[place - firstControl].bytes = bytes
      return true
    }
    if controlBytes + bytes.count > limits.control {
      isOverflowing = true
      control = []
      bulk = []
      waiting = closeLocked()
      return false
    }
    if isAtRest, bytes.count <= limits.atOnce {
      let count = writeAtOnce(bytes)
      if count > 0 { begin(bytes) }
      if count == bytes.count { return true }
      if count > 0 {
        rest = Array(bytes[count...])
        condition.signal()
        return true
      }
    }
    if let key = coalescingKey { coalescing[key] = firstControl + control.count }
    control.append(Entry(bytes: bytes, key: coalescingKey))
    controlBytes += bytes.count
    condition.signal()
    return true
  }

  /// Queues a piece of a stream behind all bulk before it, once there is room.
  ///
  /// - Returns: false when the queue is closed.
  func sendBulk(_ bytes: [UInt8], stream: String) async -> Bool {
    while true {
      if let result = tryBulk(bytes, stream: stream) { return result }
      let goesOn = await withCheckedContinuation { continuation in
        condition.lock()
        let hasRoom = isClosed || bulkBytes < limits.bulk
        if !hasRoom { waiters.append(continuation) }
        condition.unlock()
        if hasRoom { continuation.resume(returning: true) }
      }
      if !goesOn { return false }
    }
  }

  /// Waits until few control messages wait.
  ///
  /// - Returns: false when the queue is closed.
  func waitForRoom() async -> Bool {
    while true {
      let isOpen = await withCheckedContinuation { continuation in
        condition.lock()
        let answer: Bool? = isClosed ? false : controlBytes < limits.paced ? true : nil
        if answer == nil { waiters.append(continuation) }
        condition.unlock()
        if let answer { continuation.resume(returning: answer) }
      }
      if !isOpen { return false }
      if hasRoom() { return true }
    }
  }

  private func hasRoom() -> Bool {
    condition.lock()
    defer { condition.unlock() }
    return controlBytes < limits.paced
  }

  private func tryBulk(_ bytes: [UInt8], stream: String) -> Bool? {
    condition.lock()
    defer { condition.unlock() }
    if isClosed { return false }
    guard bulkBytes < limits.bulk else { return nil }
    appendBulkLocked(Entry(bytes: bytes, key: stream))
    return true
  }

  /// Queues a message behind all bulk that waits, as the end of a stream and the response after it are.
  func sendAfterBulk(_ bytes: [UInt8]) {
    condition.lock()
    defer { condition.unlock() }
    guard !isClosed else { return }
    appendBulkLocked(Entry(bytes: bytes))
  }

  private func appendBulkLocked(_ entry: Entry) {
    bulk.append(entry)
    bulkBytes += entry.bytes.count
    condition.signal()
  }

  /// Drops the data of streams that nobody wants any more.
  func discardBulk(of streams: Set<String>) {
    condition.lock()
    bulk.removeAll { $0.key.map(streams.contains) ?? false }
    bulkBytes = bulk.reduce(0) { $0 + $1.bytes.count }
    let waiting = takeWaitingLocked()
    condition.unlock()
    for continuation in waiting { continuation.resume(returning: true) }
  }

  /// Whether nothing is being written, and nothing waits for it.
  private var isAtRest: Bool { !isWriting && rest == nil && control.isEmpty && bulk.isEmpty }

  /// The next bytes to write, control first; waits for them. Nil when the queue is closed and empty. For one thread, which has
  /// written them when it asks for more.
  func next() -> [UInt8]? {
    condition.lock()
    asked += 1
    isWriting = false
    while isAtRest, !isClosed { condition.wait() }
    isWriting = !isAtRest
    if let bytes = rest {
      rest = nil
      condition.unlock()
      return bytes
    }
    if let entry = control.popFirst() {
      firstControl += 1
      controlBytes -= entry.bytes.count
      if let key = entry.key { coalescing[key] = nil }
      let waiting = controlBytes < limits.paced ? takeWaitingLocked() : []
      condition.unlock()
      for continuation in waiting { continuation.resume(returning: true) }
      begin(entry.bytes)
      return entry.bytes
    }
    guard let entry = bulk.popFirst() else {
      condition.unlock()
      return nil
    }
    bulkBytes -= entry.bytes.count
    let waiting = bulkBytes < limits.bulk ? takeWaitingLocked() : []
    condition.unlock()
    for continuation in waiting { continuation.resume(returning: true) }
    begin(entry.bytes)
    return entry.bytes
  }

  /// Takes no more; what waits is still written, except after an overflow.
  func close() {
    condition.lock()
    let waiting = closeLocked()
    condition.unlock()
    for continuation in waiting { continuation.resume(returning: false) }
  }

  /// As `close`, and what waits is dropped.
  func abandon() { abandon(whileWriting: true) }

  /// As `abandon`, by the thread that has written, and writes no more.
  func end() { abandon(whileWriting: false) }

  private func abandon(whileWriting goesOn: Bool) {
    condition.lock()
    isWriting = isWriting && goesOn
    control = []
    bulk = []
    rest = nil
    let waiting = closeLocked()
    condition.unlock()
    for continuation in waiting { continuation.resume(returning: false) }
  }

  /// A number that changes as messages are taken away; nil while none waits.
  var progress: Int? {
    condition.lock()
    defer { condition.unlock() }
    return isAtRest ? nil : asked
  }

  /// Whether the other side let too much pile up.
  var hasOverflowed: Bool {
    condition.lock()
    defer { condition.unlock() }
    return isOverflowing
  }

  private func closeLocked() -> [CheckedContinuation<Bool, Never>] {
    isClosed = true
    condition.broadcast()
    return takeWaitingLocked()
  }

  private func takeWaitingLocked() -> [CheckedContinuation<Bool, Never>] {
    defer { waiters = [] }
    return waiters
  }
}
