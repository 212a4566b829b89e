/// One piece of a container's output, as it came out of the pipe.
package struct LogRecord: Hashable, Sendable {
  package enum Content: Hashable, Sendable {
    case stdout([UInt8])
    case stderr([UInt8])
    /// So many bytes of output are missing here: the log's disk was full.
    case lost(bytes: UInt64)
  }
  /// Since 1970, in ns.
  package var time: UInt64
  package var content: Content
}
