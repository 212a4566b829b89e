import EngineErrors
import OCIModel

struct InflatedLayer: Sendable {
  var diffID: Digest
  var size: Int64
  /// Of the compressed bytes, where it was asked for.
  var archive: Digest?
}

/// The inflating thread's work: compressed pieces in, uncompressed ones out, hashed on the way.
struct Inflation {
  private let input: BytePipe
  private let output: BytePipe
  private let limits: UnpackLimits
  private let checksItself: Bool
  private let hashesArchive: Bool

  /// - Parameter checksItself: as for `decompressor`.
  init(
    _ input: BytePipe, _ output: BytePipe, _ limits: UnpackLimits, checksItself: Bool = true,
    hashesArchive: Bool = false
  ) {
    self.input = input
    self.output = output
    self.limits = limits
    self.checksItself = checksItself
    self.hashesArchive = hashesArchive
  }

  func run() throws(EngineError) -> InflatedLayer {
    var hasher = SHA256()
    var archiveHasher = SHA256()
    var decompressor: (any Decompressor)?
    var compressed: Int64 = 0
    var size: Int64 = 0
    var piece = try output.vacant()
    while let source = try input.receive() {
      compressed += Int64(source.count)
      var unhashed = source.bytes[..<(hashesArchive ? source.count : 0)]
      // A piece is full, or the last: so the first one holds the magic number where there is one.
      let inflate: any Decompressor
      if let decompressor {
        inflate = decompressor
      } else {
        inflate = try Compression.detect(source.bytes.prefix(Compression.magicLength)).decompressor(
          zstdWindowLog: limits.zstdWindowLog, checksItself: checksItself, pieces: output.pieces)
        decompressor = inflate
      }
      var rest = source.bytes
      while true {
        let (consumed, produced) = try inflate.run(rest, into: piece)
        rest = UnsafeRawBufferPointer(rebasing: rest[consumed...])
        size += Int64(produced)
        try limits.check(size, from: compressed, of: "layer")
        if piece.room.isEmpty {
          let part = UnsafeRawBufferPointer(rebasing: unhashed.prefix(piece.count))
          unhashed = unhashed.dropFirst(part.count)
          SHA256.update(&hasher, piece.bytes, &archiveHasher, part)
          output.send(piece)
          piece = try output.vacant()
        } else if consumed == 0, produced == 0 {
          break
        }
      }
      guard rest.isEmpty else {
        throw EngineError(.corrupt, "cannot decompress the layer: bytes follow its end")
      }
      archiveHasher.update(UnsafeRawBufferPointer(rebasing: unhashed))
      input.recycle(source)
    }
    try decompressor?.finish()
    hasher.update(piece.bytes)
    output.send(piece)
    let archive = archiveHasher.finish()
    return InflatedLayer(diffID: hasher.finish(), size: size, archive: hashesArchive ? archive : nil)
  }
}

extension EngineError {
  /// For an archive that would cost more than `UnpackLimits` allow.
  ///
  /// - Parameter option: by which a service is told another limit.
  static func overLimit(_ what: String, _ option: String) -> EngineError {
    refused(
      what, hint: "if it is meant to, start the service with a higher limit (coracle serve \(option))")
  }

  /// For an archive that can be read, and asks for what no honest one does.
  static func refused(
    _ what: String, subject: String? = nil, causes: [String] = [],
    hint: String = "the image is broken or hostile"
  ) -> EngineError {
    EngineError(.corrupt, what, subject: subject, causes: causes, hint: hint)
  }
}
