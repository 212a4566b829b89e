internal import EngineErrors
internal import LinuxSystem
internal import SystemPackage

/// One file of the journal: a header, then records, then, once it is full, a seal.
///
/// A journal-wide offset is the segment's base plus the offset in the file. The base names the file, in 16
/// hexadecimal digits. A segment that follows a full one begins where that ends. One that follows a damaged
/// end, or the first of a new boot, begins a new *generation*: the next multiple of 2^40, so that no cursor
/// that was given out for a record that is lost now ever means another record.
enum Segment {
  static let headerLength: Int64 = 64
  static let generationLength: Int64 = 1 << 40
  /// Above it no generation starts; reached after four million power cuts.
  static let offsetLimit: Int64 = 1 << 62

  static func name(base: Int64) -> String { Cursor(offset: base).description }

  static func base(name: String) -> Int64? {
    (try? Cursor(name))?.offset
  }

  /// The bases of the segments in the directory, in order; other files are none of the journal's business.
  static func list(_ directory: FlatDirectory) throws(SystemError) -> [Int64] {
    try directory.names().compactMap { base(name: $0) }.sorted()
  }

  static func nextGeneration(after offset: Int64) throws(EngineError) -> Int64 {
    let base = (offset / generationLength + 1) * generationLength
    guard base < offsetLimit else {
      throw EngineError(.internal, "cannot append to the journal: it has used all its offsets")
    }
    return base
  }
}

extension Segment {
  /// The first 64 bytes of a segment, little-endian: `CORACLEJ`, version, CRC-32C of what follows, base,
  /// the end of the last record before this segment, the boot that wrote it; the rest is zero.
  struct Header: Equatable {
    static let version: UInt32 = 1
    private static let magic = Array("CORACLEJ".utf8)

    var base: Int64
    /// The end of the last whole record of the segment before: a reader that stands there misses nothing by
    /// going on here; one that stands before or after it does.
    var previousEnd: Int64
    var boot: BootID

    func encoded() -> [UInt8] {
      var body = ByteWriter()
      body.write(UInt64(base))
      body.write(UInt64(previousEnd))
      body.write(boot.high)
      body.write(boot.low)
      body.pad(to: Int(Segment.headerLength) - 16)
      var head = ByteWriter()
      head.write(bytes: Self.magic)
      head.write(Self.version)
      head.write(Self.checksum(body.bytes))
      return head.bytes + body.bytes
    }

    /// Nil for bytes that are no whole header, as a power cut can leave them.
    ///
    /// - Throws: `unsupported` for a journal of a later version.
    init?(_ bytes: [UInt8]) throws(EngineError) {
      var reader = ByteReader(bytes)
      guard bytes.count == Int(Segment.headerLength), reader.bytes(8).map(Array.init) == Self.magic,
        let version = reader.integer(UInt32.self), let checksum = reader.integer(UInt32.self)
      else { return nil }
      guard version == Self.version else {
        throw EngineError(
          .unsupported,
          "cannot read the journal: its version is \(version), this program knows \(Self.version)",
          hint: "use the coracle version that wrote this store, or a later one")
      }
      guard checksum == Self.checksum(Array(bytes[16...])), let base = reader.integer(UInt64.self),
        let previousEnd = reader.integer(UInt64.self), let high = reader.integer(UInt64.self),
        let low = reader.integer(UInt64.self), base < UInt64(Segment.offsetLimit),
        previousEnd <= base
      else { return nil }
      self.init(base: Int64(base), previousEnd: Int64(previousEnd), boot: BootID(high: high, low: low))
    }

    init(base: Int64, previousEnd: Int64, boot: BootID) {
      self.base = base
      self.previousEnd = previousEnd
      self.boot = boot
    }

    private static func checksum(_ body: [UInt8]) -> UInt32 {
      var crc = CRC32C()
      body.withUnsafeBytes { crc.update($0) }
      return crc.value
    }
  }
}

/// Which boot of the machine something was written in (/proc/sys/kernel/random/boot_id, see random(4)).
struct BootID: Equatable {
  var high: UInt64
  var low: UInt64

  /// Where /proc is missing all boots look alike: cursors then are not safe against a power cut.
  static let unknown = BootID(high: 0, low: 0)

  static let current: BootID = {
    guard let file = try? AppendFile("/proc/sys/kernel/random/boot_id", writable: false),
      let bytes = try? file.read(at: 0, limit: 64)
    else { return .unknown }
    return BootID(text: String(decoding: bytes, as: UTF8.self)) ?? .unknown
  }()

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  init?(text: String) {
    let digits = text.filter(\.isHexDigit)
    guard digits.count == 32, let high = UInt64(digits.prefix(16), radix: 16),
      let low = UInt64(digits.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }
}
