import Glibc
import LinuxSystem
internal import SystemPackage

/// Where one reader is in a log. Used by one task at a time, as an iterator is.
final class LogCursor {
  private var file: LogFile
  private let shim: ProcessDescriptor?
  private let changes: FileChanges?
  private var isOver: Bool
  /// Records that finding the start has read already.
  private var pending: [LogRecord] = []

  init(_ reader: LogReader, isolation: isolated (any Actor)?) async throws {
    shim = reader.shim
    isOver = reader.shim == nil
    // Watched before it is read: a record written between the two is noticed.
    changes = try reader.shim.map { _ in try FileChanges(of: reader.path) }
    let place = try await Self.place(of: reader.start, in: reader.path)
    file = try LogFile(path: reader.path, offset: place.offset)
    pending = place.records.reversed()
  }

  func next(isolation: isolated (any Actor)?) async throws -> LogRecord? {
    if let record = pending.popLast() { return record }
    while true {
      try Task.checkCancellation()
      if let record = try file.next() { return record }
      if isOver { return nil }
      guard let shim, let changes else { return nil }
      // All writes come before the shim's end: seen as over first and read to the end after it, nothing is missed.
      try await DescriptorWatcher.shared.readable(changes.descriptor, shim.descriptor)
      changes.take()
      var entry = pollfd(fd: shim.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
      isOver = poll(&entry, 1, 0) > 0
    }
  }

  private static func place(
    of start: LogReader.Place, in path: FilePath
  ) async throws -> (offset: Int64, records: [LogRecord]) {
    switch start {
    case .offset(let offset): (offset, [])
    case .lastLines(let count): try await end(of: path, lines: count)
    }
  }

  /// Reads on to the present end, which for a long log takes its time, and keeps the last lines.
  static func end(of path: FilePath, lines: Int) async throws -> (offset: Int64, records: [LogRecord]) {
    try await onBlockingThread("log") {
      var file = try LogFile(path: path)
      var tail = LineTail(count: lines)
      while let record = try file.next() { tail.add(record) }
      return (file.offset, tail.records())
    }
  }
}
