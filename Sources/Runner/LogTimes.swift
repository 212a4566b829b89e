/// From when to when output is wanted, in ns since 1970; what is nil has no end.
package struct LogTimes: Hashable, Sendable {
  package var since: UInt64?
  /// Not itself.
  package var until: UInt64?

  package init(since: UInt64? = nil, until: UInt64? = nil) {
    self.since = since
    self.until = until
  }

  func contain(_ record: LogRecord) -> Bool {
    record.time >= since ?? 0 && until.map { record.time < $0 } ?? true
  }
}
