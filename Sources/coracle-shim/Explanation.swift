import CLinux

/// What the kernel says about a failed mount: the message log of its fsopen context.
///
/// `Sendable` without a lock, as errors have to be: this program has one thread.
struct Explanation: @unchecked Sendable {
  private var length = 0
  private var text: UnsafeMutablePointer<CChar>?

  /// Reads the first message, to be called before the context is closed.
  mutating func take(from context: CInt) {
    let size = MemoryLayout.size(ofValue: clinux_report().text)
    let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: size)
    let count = read(context, buffer, size)
    text = buffer
    length = max(0, count)
  }

  func copy(to report: inout clinux_report) {
    guard let text, length > 0 else { return }
    withUnsafeMutableBytes(of: &report.text) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: text, count: length))
    }
    report.text_length = UInt32(truncatingIfNeeded: length)
  }
}
