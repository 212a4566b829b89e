internal import EngineErrors
internal import LinuxSystem
internal import SystemPackage

/// The writer's side of the last segment: knows where the last whole record ends, and appends there.
///
/// All methods are called with the journal's lock held, so no other process writes meanwhile.
struct JournalTail {
  let directory: FlatDirectory
  let limits: JournalLimits
  private var segment: OpenSegment?
  private(set) var unsynced = Unsynced()

  /// What was written since the last sync.
  struct Unsynced {
    var files: [AppendFile] = []
    var isDirectoryChanged = false
    var isEmpty: Bool { files.isEmpty && !isDirectoryChanged }
  }

  struct OpenSegment {
    let file: AppendFile
    let header: Segment.Header
    /// After the last record that was read or written here.
    var end: Int64
    /// Whether offsets after `end` may have been given out for records that are lost.
    var isGenerationOver = false
    var base: Int64 { header.base }
  }

  init(directory: FlatDirectory, limits: JournalLimits) {
    self.directory = directory
    self.limits = limits
  }

  /// A place known to be after a record, for a reader to start from.
  var known: (base: Int64, end: Int64)? { segment.map { ($0.base, $0.end) } }

  mutating func takeUnsynced() -> Unsynced {
    defer { unsynced = Unsynced() }
    return unsynced
  }

  /// Writes one event's record after all others and answers its end.
  mutating func append(_ body: [UInt8]) throws -> Int64 {
    var segment = try settledSegment()
    let length = Int64(body.count + RecordCoding.headLength)
    if segment.end - segment.base + length > limits.segmentSize,
      segment.end > segment.base + Segment.headerLength
    {
      segment = try successor(of: segment, isSealed: false)
    }
    try write(RecordCoding.record(body, at: segment.end), to: segment)
    segment.end += length
    self.segment = segment
    return segment.end
  }

  /// The last segment, with all that others appended taken in and what a crash left behind cut.
  private mutating func settledSegment() throws -> OpenSegment {
    while true {
      guard var segment = try segment ?? openLast() else {
        let first = try create(base: 0, previousEnd: 0, isDurable: true)
        self.segment = first
        return first
      }
      let size = try segment.base + segment.file.size()
      if size != segment.end || segment.isGenerationOver {
        // Shorter than it was: someone else found damage in what was good when it was read here.
        let start = size < segment.end ? segment.base + Segment.headerLength : segment.end
        let scan = try SegmentScan.verify(segment.file, base: segment.base, from: start)
        segment.end = scan.end
        let isOver = scan.stop == .sealed || scan.stop == .broken
        if isOver, try JournalReader.usableBases(directory).last != segment.base {
          self.segment = nil
          continue
        }
        switch scan.stop {
        case .sealed: segment = try successor(of: segment, isSealed: true)
        case .broken: segment = try cut(segment)
        case .endOfFile, .limit:
          if segment.isGenerationOver { segment = try successor(of: segment, isSealed: false) }
        }
      }
      self.segment = segment
      return segment
    }
  }

  private func openLast() throws -> OpenSegment? {
    var hasLostOne = false
    for base in try Segment.list(directory).reversed() {
      let file = try AppendFile(directory.path.appending(Segment.name(base: base)), writable: true)
      if let header = try JournalReader.header(of: file, base: base) {
        return OpenSegment(
          file: file, header: header, end: base + Segment.headerLength,
          isGenerationOver: hasLostOne || header.boot != .current)
      }
      // Its header went in a power cut, and with it all that it may have held.
      try directory.remove(Segment.name(base: base))
      hasLostOne = true
    }
    return nil
  }

  /// Starts the segment after one that is full, or from an earlier boot.
  private mutating func successor(of segment: OpenSegment, isSealed: Bool) throws -> OpenSegment {
    let seal = RecordCoding.record(RecordCoding.seal, at: segment.end)
    if !isSealed { try write(seal, to: segment) }
    if !segment.isGenerationOver {
      return try create(base: segment.end + Int64(seal.count), previousEnd: segment.end, isDurable: false)
    }
    return try create(
      base: Segment.nextGeneration(after: segment.end), previousEnd: segment.end, isDurable: true)
  }

  /// Ends a segment at its last whole record and starts a new generation.
  private mutating func cut(_ segment: OpenSegment) throws -> OpenSegment {
    // The successor first: should this process die in between, the bad bytes still stand and tell the next
    // writer to look for it.
    let next = try create(
      base: Segment.nextGeneration(after: segment.end), previousEnd: segment.end, isDurable: true)
    let seal = RecordCoding.record(RecordCoding.seal, at: segment.end)
    let offset = segment.end - segment.base
    if try segment.file.write(seal, at: offset) == seal.count {
      try segment.file.cut(at: offset + Int64(seal.count))
      unsynced.files.append(segment.file)
    }
    return next
  }

  private mutating func create(base: Int64, previousEnd: Int64, isDurable: Bool) throws -> OpenSegment {
    let header = Segment.Header(base: base, previousEnd: previousEnd, boot: .current)
    let temporary = "new"
    let file = try AppendFile(
      directory.path.appending(temporary), writable: true, create: true, emptied: true)
    let segment = OpenSegment(file: file, header: header, end: base + Segment.headerLength)
    guard try file.write(header.encoded(), at: 0) == Int(Segment.headerLength) else {
      throw SystemError("pwrite", .noSpace, on: file.path.string)
    }
    if isDurable { try file.syncData() }
    try directory.rename(temporary, to: Segment.name(base: base))
    if isDurable { try directory.sync() } else { unsynced.isDirectoryChanged = true }
    try dropOldSegments()
    return segment
  }

  private mutating func write(_ record: [UInt8], to segment: OpenSegment) throws {
    let offset = segment.end - segment.base
    let count = try segment.file.write(record, at: offset)
    if count < record.count {
      try segment.file.cut(at: offset)
      throw SystemError("pwrite", .noSpace, on: segment.file.path.string)
    }
    if unsynced.files.last !== segment.file { unsynced.files.append(segment.file) }
  }

  private func dropOldSegments() throws {
    var total: Int64 = 0
    for (age, base) in try Segment.list(directory).reversed().enumerated() {
      total += try JournalReader.open(base, in: directory)?.size() ?? 0
      if age > 0, total > limits.totalSize || age >= limits.segmentCount {
        try directory.remove(Segment.name(base: base))
      }
    }
  }
}

/// How large the journal gets: whole segments are dropped, the oldest first.
package struct JournalLimits: Sendable {
  /// Bytes after which a new segment starts.
  package var segmentSize: Int64
  /// Bytes in all segments.
  package var totalSize: Int64
  /// Segments; each boot starts one of its own, so many can be small.
  package var segmentCount: Int

  /// 64 full segments of 1 MiB: some 400,000 events. A process checks the last segment once, before its
  /// first append: at most 3 ms.
  package static let standard = JournalLimits(segmentSize: 1 << 20, totalSize: 64 << 20, segmentCount: 256)

  package init(segmentSize: Int64, totalSize: Int64, segmentCount: Int) {
    self.segmentSize = segmentSize
    self.totalSize = totalSize
    self.segmentCount = segmentCount
  }
}
