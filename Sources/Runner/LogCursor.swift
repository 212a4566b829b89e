import CLinux
import Glibc
import LinuxSystem
internal import SystemPackage

/// Where one reader is in a log. Used by one task at a time, as an iterator is.
final class LogCursor {
  private let walk: LogWalk
  private let end: LifeEnd?
  private let times: LogTimes
  private let alarm: Alarm?
  /// Of the part that is open, and which part that is.
  private var changes: (of: LogFile, watch: FileChanges)?
  private var isOver: Bool
  /// Records that finding the start has read already, the last one first.
  private var pending: [LogRecord] = []

  init(_ reader: LogReader, isolation: isolated (any Actor)?) async throws {
    end = reader.end
    isOver = reader.end == nil
    times = reader.times
    alarm = try reader.end.flatMap { _ in try reader.times.until.map { try Alarm(at: $0) } }
    switch reader.start {
    case .position(let position): walk = try LogWalk(reader.path, from: position)
    case .lastLines(let count):
      let (position, records) = try await Self.lastLines(count, of: reader.path, times)
      pending = records.reversed()
      walk = try LogWalk(reader.path, from: position)
    }
  }

  func next(isolation: isolated (any Actor)?) async throws -> LogRecord? {
    if let record = pending.popLast() { return record }
    while true {
      try Task.checkCancellation()
      // Watched before it is read to its end: a record written between the two is noticed.
      try watch()
      if let record = try walk.next() {
        if times.contain(record) { return record }
        continue
      }
      if isOver { return nil }
      guard let end, let changes, changes.of === walk.file else { continue }
      // All writes come before the life's end: seen as over first and read to the end after it, nothing is missed.
      if let alarm {
        try await DescriptorWatcher.shared.readable(
          changes.watch.descriptor, end.descriptor, alarm.descriptor)
      } else {
        try await DescriptorWatcher.shared.readable(changes.watch.descriptor, end.descriptor)
      }
      changes.watch.take()
      isOver = end.descriptor.isReadable || alarm?.descriptor.isReadable ?? false
    }
  }

  private func watch() throws {
    guard !isOver, changes?.of !== walk.file else { return }
    // By descriptor: the name may be another part's by now.
    let path = FilePath("/proc/self/fd/\(walk.file.descriptor.rawValue)")
    changes = (walk.file, try FileChanges(of: path))
  }

  /// Reads on to the present end, which for a long log takes its time, and keeps the last lines.
  private static func lastLines(
    _ count: Int, of path: FilePath, _ times: LogTimes
  ) async throws -> (position: Int64, records: [LogRecord]) {
    try await onBlockingThread("log") {
      let walk = try LogWalk(path, from: 0)
      var tail = LineTail(count: count)
      while let record = try walk.next() {
        if times.contain(record) { tail.add(record) }
      }
      return (walk.position, tail.records())
    }
  }
}
