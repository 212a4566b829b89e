package import EngineErrors
import Layers
import LinuxSystem
import Metadata
import OCIModel
package import SystemPackage

/// Something that a build is written to.
package struct BuildOutput: Sendable {
  package enum Kind: String, Sendable {
    /// An image in the store.
    case image
    /// An OCI image layout, which is a Docker archive as well.
    case oci
    case docker
    /// The files, as a tar archive.
    case tar
    /// The files, as a directory of the service's user.
    case local
  }

  package var kind: Kind
  /// Nil for an image.
  package var place: SaveOutput?

  /// - Throws: `invalidArgument` where a place is missing, or one is given that does not fit.
  package init(_ kind: Kind, _ place: SaveOutput?) throws(EngineError) {
    self.kind = kind
    self.place = place
    let isDirectory = if case .directory = place { true } else { false }
    let fits =
      switch kind {
      case .image: place == nil
      case .oci: place != nil
      case .docker, .tar: place != nil && !isDirectory
      case .local: isDirectory
      }
    guard fits else {
      throw EngineError(
        .invalidArgument, "an output of type \(kind.rawValue) \(Self.need(kind))", subject: kind.rawValue)
    }
  }

  private static func need(_ kind: Kind) -> String {
    switch kind {
    case .image: "goes to the store, and nowhere else"
    case .oci: "needs a path or a stream"
    case .docker, .tar: "needs a file or a stream"
    case .local: "needs the path of a directory"
    }
  }
}

extension ContainerEngine {
  /// Writes an image that is whole, and whose layers are in the store, to what a build was asked for. Whoever calls holds
  /// the content.
  ///
  /// - Returns: how much was written to each, in bytes.
  /// - Throws: what `writeArchive` throws; `alreadyExists` for a directory with something in it. After an error or a
  ///   cancellation nothing is left of the output that it was at.
  func write(_ image: DraftImage, _ references: [String], to outputs: [BuildOutput], reporter: TaskReporter)
    async throws -> [Int64]
  {
    var written: [Int64] = []
    for output in outputs {
      guard let place = output.place else {
        written.append(0)
        continue
      }
      try Task.checkCancellation()
      let bytes = try await reporter.task("write \(output.kind.rawValue)\(Self.name(place))") { progress, _ in
        switch (output.kind, place) {
        case (.tar, .archive(let archive)): try await writeTree(of: image, to: archive, progress)
        case (_, .directory(let path)) where output.kind == .local:
          try await writeTree(of: image, into: path, progress)
        default:
          try await write(try layout(image, references), to: place, progress: progress)
        }
      }
      written.append(bytes)
    }
    return written
  }

  private static func name(_ place: SaveOutput) -> String {
    switch place {
    case .archive(.file(let path)), .directory(let path): " \(path.lastComponent?.string ?? path.string)"
    case .archive(.descriptor): ""
    }
  }

  private func layout(_ image: DraftImage, _ references: [String]) throws -> ImageLayout {
    let record = image.record
    let size = Int64(image.documents[record.manifestDigest]?.count ?? 0)
    return try ImageLayout(
      [
        SavedImage(
          record: record, manifest: image.manifest,
          descriptor: Descriptor(
            mediaType: record.mediaType, digest: record.manifestDigest, size: size,
            platform: record.platform),
          references: references.sorted())
      ], unstored: image.documents)
  }

  private func writeTree(of image: DraftImage, to output: ArchiveOutput, _ progress: TaskProgress)
    async throws -> Int64
  {
    let (lowers, xattrs) = (lowers(image.record.layers), unpackOptions.overlayXattrs)
    return try await writeArchive(to: output, progress: progress) { sink in
      try Self.writeTree(lowers, xattrs, sink)
    }
  }

  private static func writeTree(
    _ lowers: [FilePath], _ xattrs: OverlayXattrs,
    _ sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    if !lowers.isEmpty { return try MergedTree(lowers).write(overlayXattrs: xattrs, sink: sink) }
    // An image without layers has no files, and an archive of none is its end alone.
    try [UInt8](repeating: 0, count: 1024).withUnsafeBytes(sink)
  }

  /// The files belong to whoever runs the service, and give nobody that user's rights; there are no devices.
  private func writeTree(of image: DraftImage, into path: FilePath, _ progress: TaskProgress) async throws
    -> Int64
  {
    let (lowers, unpacking) = (lowers(image.record.layers), unpackOptions)
    let warnings = LayerWarnings.current
    return try await untilCancelled { isCancelled in
      try await onBlockingThread("tree-write") {
        let isTaken = try fileKind(path) == .directory && !directoryEntries(path).isEmpty
        guard !isTaken else {
          throw EngineError(
            .alreadyExists, "cannot write to \(path): there is something in it", subject: path.string,
            hint: "give the name of a directory that is not there, or is empty")
        }
        var written: Int64 = 0
        try replacing(path, by: .directory) { fresh in
          try makeDirectories(fresh, mode: 0o755)
          var options = unpacking
          options.copy = CopyOptions(place: [])
          options.copy?.makesDevices = false
          options.copy?.keepsSetIDBits = false
          options.copy?.owner = effectiveIDs()
          let unpacker = try LayerUnpacker(into: fresh, options: options)
          try Self.writeTree(lowers, unpacking.overlayXattrs) { bytes in
            if isCancelled() { throw EngineError.cancelled("writing the files") }
            try unpacker.write(bytes)
            written += Int64(bytes.count)
            progress.report(written)
          }
          warnings?.add(try unpacker.finish().warnings, of: image.record.configDigest)
          let directory = try openDirectory(fresh)
          try directory.descriptor.syncFileSystem()
        }
        return written
      }
    }
  }
}
