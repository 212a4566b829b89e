/// A tar archive (ustar) that a test makes entry by entry, also such as no honest program writes.
struct TarArchive {
  private(set) var bytes: [UInt8] = []

  enum Kind: UInt8 {
    case file = 0x30
    case hardLink = 0x31
    case symlink = 0x32
    case character = 0x33
    case directory = 0x35
    case fifo = 0x36
  }

  mutating func add(
    _ path: String, _ kind: Kind = .file, link: String = "", content: String = "", mode: Int = 0o644,
    uid: Int = 0,
    gid: Int = 0, mtime: Int = 1_000_000
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
    put(octal(content.utf8.count, 12), at: 124, 12)
    put(octal(mtime, 12), at: 136, 12)
    put("        ", at: 148, 8)
    header[156] = kind.rawValue
    put(link, at: 157, 100)
    put("ustar\u{0}00", at: 257, 8)
    put(octal(header.reduce(0) { $0 + Int($1) }, 7) + "\u{0} ", at: 148, 8)
    bytes += header + Array(content.utf8)
    bytes += [UInt8](repeating: 0, count: (512 - content.utf8.count % 512) % 512)
  }

  /// With the two empty blocks that end an archive.
  var whole: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}
