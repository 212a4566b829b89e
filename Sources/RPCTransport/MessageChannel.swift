import Foundation
import LinuxSystem
public import RPCModel
public import SystemPackage

/// A pair of descriptors that carries messages both ways: one thread reads, one writes.
///
/// The channel owns both descriptors and closes them when their threads end.
public final class MessageChannel: Sendable {
  private let input: FileDescriptor
  private let output: FileDescriptor
  private let framing: Framing
  private let limits: FrameLimits
  private let record: SessionRecord?
  private let queue: OutboundQueue

  /// - Parameter record: gets each message, as `input`'s client sends it and as `output`'s reads it.
  public init(
    input: FileDescriptor, output: FileDescriptor, framing: Framing, limits: FrameLimits = .standard,
    record: SessionRecord? = nil
  ) {
    self.record = record
    self.input = input
    self.output = output
    self.framing = framing
    self.limits = limits
    // Open for as long as the queue is not closed.
    queue = OutboundQueue(writeAtOnce: output.writeWithoutWaiting) { bytes in
      record?.add(framing.message(in: bytes), from: .service)
    }
  }

  /// Starts both threads.
  ///
  /// - Parameters:
  ///   - onEvent: called for each message, in order, on the reading thread.
  ///   - onEnd: called once on that thread when the input has ended.
  ///   - onWriteEnd: called once on the writing thread when all was written, or the other side takes no more.
  public func start(
    onEvent: @escaping @Sendable (FrameDecoder.Event) -> Void, onEnd: @escaping @Sendable () -> Void,
    onWriteEnd: @escaping @Sendable (Bool) -> Void = { _ in }
  ) {
    Thread.detachNewThread { [self] in
      readAll(onEvent)
      try? input.close()
      onEnd()
    }
    Thread.detachNewThread { [self] in
      let isWhole = writeAll()
      queue.end()
      try? output.close()
      onWriteEnd(isWhole)
    }
  }

  private func readAll(_ onEvent: (FrameDecoder.Event) -> Void) {
    var decoder = FrameDecoder(framing, limits: limits)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    defer { buffer.deallocate() }
    func tell(_ event: FrameDecoder.Event) {
      if let record, case .frame(let message) = event { record.add(message, from: .client) }
      onEvent(event)
    }
    while let count = try? input.read(into: buffer), count > 0 {
      decoder.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      while let event = decoder.next() { tell(event) }
    }
    if let event = decoder.endOfInput() { tell(event) }
  }

  private func writeAll() -> Bool {
    while let bytes = queue.next() {
      do { try output.writeAll(bytes) } catch { return false }
    }
    return !queue.hasOverflowed
  }

  /// Queues a message that must be delivered.
  ///
  /// - Parameter coalescingKey: takes the place of a message with the same key that was not sent yet.
  public func send(_ message: some JSONWritable, coalescingKey: String? = nil) {
    queue.send(bytes(of: message), coalescingKey: coalescingKey)
  }

  /// Queues a message that must be delivered, when few enough wait: for whoever has many of them at hand.
  ///
  /// - Returns: false when the channel is closed.
  public func sendPaced(_ message: some JSONWritable) async -> Bool {
    guard await queue.waitForRoom() else { return false }
    return queue.send(bytes(of: message))
  }

  /// Queues a message behind the stream data that waits.
  public func sendAfterBulk(_ message: some JSONWritable) { queue.sendAfterBulk(bytes(of: message)) }

  /// Queues a piece of a stream, once there is room.
  ///
  /// - Returns: false when the channel is closed.
  func sendBulk(_ data: StreamDataNotification) async -> Bool {
    await queue.sendBulk(bytes(of: NotificationMessage(data)), stream: data.stream)
  }

  /// Drops the data of these streams that was not sent yet.
  public func discardBulk(of streams: Set<StreamID>) { queue.discardBulk(of: streams) }

  /// Takes no more messages; what waits is still written.
  public func close() { queue.close() }

  /// Waits until the other side has taken no message for as long as this, though one waits for it; then drops what waits and
  /// takes no more. The writing thread may still wait in write(2), until the other side's end or the process's own.
  ///
  /// - Returns: false when cancelled.
  public func closeWhenStalled(for patience: Duration) async -> Bool {
    // A machine's sleep is nobody's stalling.
    let clock = SuspendingClock()
    var (last, since) = (queue.progress, clock.now)
    while (try? await Task.sleep(for: min(patience, .seconds(1)), clock: clock)) != nil {
      let progress = queue.progress
      if progress != last || progress == nil {
        (last, since) = (progress, clock.now)
      } else if clock.now - since >= patience {
        queue.abandon()
        return true
      }
    }
    return false
  }

  private func bytes(of message: some JSONWritable) -> [UInt8] {
    framing.encode(JSONWriter.bytes(of: message))
  }
}
