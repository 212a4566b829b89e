import CLinux
import LinuxSystem
internal import SystemPackage

/// Reads the parts of a log one after the other, while its shim may begin new ones and drop the oldest.
///
/// The open file is what a walk goes by: a part's name changes, and its place in the whole log does not.
final class LogWalk {
  private let path: FilePath
  private(set) var file: LogFile
  /// The number that the part had when it was opened; it has that or a higher one.
  private var number: Int
  private var pending: LogRecord?

  /// - Parameter position: of a record; 0 is the beginning of what is kept.
  init(_ path: FilePath, from position: Int64) throws {
    self.path = path
    (file, number) = try Self.open(path, at: position, from: 0)
    begin(at: position, isStart: position == 0)
  }

  private func begin(at position: Int64, isStart: Bool) {
    if file.start <= position {
      file.seek(to: position)
    } else if !isStart {
      pending = LogRecord(time: clinux_now(), content: .lost(bytes: UInt64(clamping: file.start - position)))
    }
  }

  /// Of the next record, in the whole log.
  var position: Int64 { file.position }

  /// The next record that is written whole by now; one that tells of a loss where parts were dropped before this came to
  /// them.
  func next() throws -> LogRecord? {
    while true {
      if let record = pending {
        pending = nil
        return record
      }
      if let record = try file.nextRecord() { return record }
      if file.isSameFile(as: path) { return nil }
      // Whatever was written to it was written before it lost the name.
      if let record = try file.nextRecord() { return record }
      guard try goOn() else { return nil }
    }
  }

  /// - Returns: false where there is no later part, because the shim ended while it made one, or is about to.
  private func goOn() throws -> Bool {
    let position = file.position
    let (later, number) = try Self.open(path, at: position, from: max(0, number - 1), after: file)
    if later.isSameFile(as: file) { return false }
    (file, self.number) = (later, number)
    begin(at: position, isStart: false)
    return true
  }

  /// The newest part that begins at or before a position; the oldest where all begin after it.
  ///
  /// Numbers grow with age and with time, so looking upwards misses nothing.
  private static func open(
    _ path: FilePath, at position: Int64, from first: Int, after present: LogFile? = nil
  ) throws -> (LogFile, Int) {
    var oldest: (LogFile, Int)?
    var number = first
    while true {
      do {
        let file = try LogFile(path: number == 0 ? path : FilePath("\(path.string).\(number)"))
        if file.start <= position {
          // The one between is gone.
          if let present, let newer = oldest, file.isSameFile(as: present) { return newer }
          return (file, number)
        }
        oldest = (file, number)
      } catch Errno.noSuchFileOrDirectory
        where number > 0 || first == 0 && fileExists(FilePath("\(path.string).1"))
      {
        if number > 0 {
          guard let oldest else { return try open(path, at: position, from: 0) }
          return oldest
        }
      }
      number += 1
    }
  }

  /// The present end, without reading what is before it.
  static func end(of path: FilePath) throws -> Int64 {
    let (file, _) = try open(path, at: .max, from: 0)
    try file.skipToEnd()
    return file.position
  }
}
