/// A tar archive (ustar) that a test makes entry by entry, also such as no honest program writes.
struct TarArchive {
  private(set) var bytes: [UInt8] = []

  enum Kind: UInt8 {
    case file = 0x30
    case hardLink = 0x31
    case symlink = 0x32
    case character = 0x33
    case directory = 0x35
    case block = 0x34
    case fifo = 0x36
    case longLink = 0x4b
    case longName = 0x4c
    case global = 0x67
    case attributes = 0x78
  }

  /// - Parameter size: what the header says, where that is to be a lie.
  mutating func add(
    _ path: String, _ kind: Kind = .file, link: String = "", content: String = "", mode: Int = 0o644,
    uid: Int = 0,
    gid: Int = 0, mtime: Int = 1_000_000, size: Int? = nil, device: (Int, Int) = (0, 0)
  ) {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, at offset: Int, _ width: Int) {
      for (index, byte) in text.utf8.prefix(width).enumerated() { header[offset + index] = byte }
    }
    func octal(_ value: Int, _ width: Int) -> String {
      let digits = String(value, radix: 8)
      return String(repeating: "0", count: width - 1 - digits.count) + digits
    }
    put(path, at: 0, 100)
    put(octal(mode, 8), at: 100, 8)
    put(octal(uid, 8), at: 108, 8)
    put(octal(gid, 8), at: 116, 8)
    put(octal(size ?? content.utf8.count, 12), at: 124, 12)
    put(octal(mtime, 12), at: 136, 12)
    put("        ", at: 148, 8)
    header[156] = kind.rawValue
    put(link, at: 157, 100)
    put("ustar\u{0}00", at: 257, 8)
    put(octal(device.0, 8), at: 329, 8)
    put(octal(device.1, 8), at: 337, 8)
    put(octal(header.reduce(0) { $0 + Int($1) }, 7) + "\u{0} ", at: 148, 8)
    bytes += header + Array(content.utf8)
    bytes += [UInt8](repeating: 0, count: (512 - content.utf8.count % 512) % 512)
  }

  mutating func append(_ other: TarArchive) { bytes += other.bytes }

  /// PAX attributes of the entry that follows.
  mutating func addAttributes(_ pairs: [(String, String)]) {
    let records = pairs.map { name, value in
      let length = name.utf8.count + value.utf8.count + 3
      var total = length + 1
      while String(total).count + length != total { total = String(total).count + length }
      return "\(total) \(name)=\(value)\n"
    }
    add("attributes", .attributes, content: records.joined())
  }

  /// With the two empty blocks that end an archive.
  var whole: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}
