internal import LinuxSystem

/// What a walk over a segment's records found.
struct SegmentScan {
  enum Stop {
    /// Enough was read; there may be more.
    case limit
    /// The segment is complete.
    case sealed
    /// The end of the file, right after a record.
    case endOfFile
    /// Bytes that are no record: one that is being written at this moment, one torn by a crash, damage, or
    /// a start that is no record's.
    case broken
  }

  var records: [JournalRecord] = []
  /// Right after the last whole record, before a seal.
  var end: Int64
  var stop: Stop

  /// Reads up to `limit` events that start at `start`, 64 KiB at the most.
  static func read(_ file: AppendFile, base: Int64, from start: Int64, limit: Int) throws(SystemError) -> Self
  {
    var records: [JournalRecord] = []
    var scan = try step(
      file, base: base, from: start, chunk: RecordCoding.lengthLimit, decoding: true
    ) { parsed, end in
      if case .event(let event, _) = parsed {
        records.append(JournalRecord(cursor: Cursor(offset: end), event: event))
      }
      return records.count < limit
    }
    scan.records = records
    return scan
  }

  /// Checks all records from `start` on.
  ///
  /// - Parameter each: gets the end of each.
  static func verify(
    _ file: AppendFile, base: Int64, from start: Int64, each: (Int64) -> Void = { _ in }
  ) throws(SystemError) -> Self {
    var scan = SegmentScan(end: start, stop: .limit)
    while scan.stop == .limit {
      scan = try step(
        file, base: base, from: scan.end, chunk: 4 * RecordCoding.lengthLimit, decoding: false
      ) { _, end in
        each(end)
        return true
      }
    }
    return scan
  }

  /// Walks over the records in one chunk while `visit` answers true.
  private static func step(
    _ file: AppendFile, base: Int64, from start: Int64, chunk: Int, decoding: Bool,
    visit: (RecordCoding.Parsed, Int64) -> Bool
  ) throws(SystemError) -> Self {
    let bytes = try file.read(at: start - base, limit: chunk)
    guard !bytes.isEmpty else {
      // Also nothing is read from beyond the end, where no record can have begun.
      return SegmentScan(end: start, stop: try file.size() >= start - base ? .endOfFile : .broken)
    }
    var used = 0
    while used < bytes.count {
      let offset = start + Int64(used)
      let parsed = RecordCoding.parse(bytes[used...], at: offset, skippingContent: !decoding)
      switch parsed {
      case .event(_, let length), .other(let length):
        used += length
        if !visit(parsed, start + Int64(used)) { return SegmentScan(end: start + Int64(used), stop: .limit) }
      case .seal:
        return SegmentScan(end: offset, stop: .sealed)
      case .invalid:
        return SegmentScan(end: offset, stop: .broken)
      case .incomplete:
        // A record is no longer than a chunk, so one that a whole chunk cuts short comes with the next.
        return SegmentScan(end: offset, stop: bytes.count == chunk && used > 0 ? .limit : .broken)
      }
    }
    return SegmentScan(end: start + Int64(used), stop: bytes.count == chunk ? .limit : .endOfFile)
  }
}
