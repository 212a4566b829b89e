internal import EngineErrors
internal import LinuxSystem
internal import SystemPackage

/// A position in the journal that moves on as it reads.
///
/// It takes no lock, keeps no file open, and so costs a stalled client nothing and holds no dropped segment
/// on the disk. Only where the bytes at its position are no record does it look again under the lock.
struct JournalReader {
  private let directory: FlatDirectory
  /// Nil until the first read of one that starts at the oldest event kept.
  private var position: Int64?
  private var bases: [Int64] = []

  init(_ directory: FlatDirectory, after cursor: Cursor?) {
    self.directory = directory
    position = cursor?.offset
  }

  var cursor: Cursor? { position.map(Cursor.init) }

  /// The next events, at most `limit` and 64 KiB; none at the end of the journal.
  mutating func next(limit: Int) throws -> JournalBatch {
    var gap = false
    var position = try startingPosition()
    var isFresh = false

    func batch(_ records: [JournalRecord], start: Int64) -> JournalBatch {
      JournalBatch(
        records: records, gap: gap, start: Cursor(offset: start), next: Cursor(offset: position))
    }
    defer { self.position = position }

    while true {
      guard let index = bases.lastIndex(where: { $0 <= position }) else {
        if !isFresh {
          (bases, isFresh) = (try Self.usableBases(directory), true)
        } else if let first = bases.first {
          if try Self.header(first, in: directory)?.previousEnd != position { gap = true }
          position = first + Segment.headerLength
        } else {
          gap = gap || position > 0
          position = 0
          return batch([], start: 0)
        }
        continue
      }
      let base = bases[index]
      position = max(position, base + Segment.headerLength)
      guard let file = try Self.open(base, in: directory) else {
        // Dropped since it was listed.
        (bases, isFresh) = (try Self.usableBases(directory), true)
        continue
      }
      let scan = try SegmentScan.read(file, base: base, from: position, limit: limit)
      let start = position
      position = scan.end
      if !scan.records.isEmpty { return batch(scan.records, start: start) }
      if scan.stop == .limit { continue }
      if index + 1 < bases.count {
        let next = bases[index + 1]
        if try Self.header(next, in: directory)?.previousEnd != position { gap = true }
        position = next + Segment.headerLength
      } else if !isFresh {
        (bases, isFresh) = (try Self.usableBases(directory), true)
      } else if scan.stop == .broken, let settled = try settle(file, base: base, position: position) {
        gap = true
        position = settled
      } else {
        return batch([], start: position)
      }
    }
  }

  private mutating func startingPosition() throws -> Int64 {
    if let position { return position }
    bases = try Self.usableBases(directory)
    return bases.first.map { $0 + Segment.headerLength } ?? 0
  }

  /// Decides, with writers kept out, what bytes that are no record in the last segment mean.
  ///
  /// - Returns: nil where the position is right after a record: what follows is torn, and the next append
  ///   cuts it. Otherwise the next place from which to read on.
  private func settle(_ file: AppendFile, base: Int64, position: Int64) throws -> Int64? {
    let lock = try AppendFile(directory.path.appending(Journal.lockName), writable: true, create: true)
    return try lock.withLock(exclusive: false) {
      let first = base + Segment.headerLength
      var isBoundary = position == first
      var following: Int64?
      let scan = try SegmentScan.verify(file, base: base, from: first) { end in
        if end == position { isBoundary = true }
        if end > position, following == nil { following = end }
      }
      return isBoundary ? nil : following ?? scan.end
    }
  }
}

extension JournalReader {
  /// The segments in order, without a last one whose header a power cut left unwritten.
  static func usableBases(_ directory: FlatDirectory) throws -> [Int64] {
    var bases = try Segment.list(directory)
    while let last = bases.last, try header(last, in: directory) == nil { bases.removeLast() }
    return bases
  }

  /// The end of the last whole record.
  ///
  /// - Parameter known: a place that was once found to be one, to start from.
  static func end(of directory: FlatDirectory, known: (base: Int64, end: Int64)?) throws -> Int64 {
    while let base = try usableBases(directory).last {
      guard let file = try open(base, in: directory) else { continue }
      let start = known.flatMap { $0.base == base ? $0.end : nil } ?? base + Segment.headerLength
      return try SegmentScan.verify(file, base: base, from: start).end
    }
    return 0
  }

  static func open(_ base: Int64, in directory: FlatDirectory) throws -> AppendFile? {
    do {
      return try AppendFile(directory.path.appending(Segment.name(base: base)), writable: false)
    } catch let error as SystemError where error.errno == .noSuchFileOrDirectory {
      return nil
    }
  }

  static func header(_ base: Int64, in directory: FlatDirectory) throws -> Segment.Header? {
    guard let file = try open(base, in: directory) else { return nil }
    return try header(of: file, base: base)
  }

  static func header(of file: AppendFile, base: Int64) throws -> Segment.Header? {
    let header = try Segment.Header(file.read(at: 0, limit: Int(Segment.headerLength)))
    return header?.base == base ? header : nil
  }
}
