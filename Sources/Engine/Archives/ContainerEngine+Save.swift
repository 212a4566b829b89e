import EngineErrors
import Layers
import LinuxSystem
import Metadata
package import OCIModel
package import SystemPackage

/// What images are saved to.
package enum SaveOutput: Sendable {
  /// A tar archive of an OCI image layout that is a Docker archive too.
  case archive(ArchiveOutput)
  /// The same as a directory, which must not be there yet.
  case directory(FilePath)
}

/// What a save did.
package struct SaveResult: Sendable {
  package var images: [(digest: Digest, references: [String])]
  /// What was written, in bytes.
  package var bytes: Int64
}

extension ContainerEngine {
  /// Writes images, each under the names that it was given by; one that was given by its digest has none.
  ///
  /// - Throws: `notFound`; `corrupt` for content that the disk has damaged; `alreadyExists` for a directory that is
  ///   there, and what `writeArchive` throws. Cancellation leaves nothing.
  package func saveImages(_ names: [String], to output: SaveOutput, reporter: TaskReporter = .silent)
    async throws -> SaveResult
  {
    let held = try await locks.holdContent()
    defer { held.release() }
    let images = try savedImages(names)
    let layout = try ImageLayout(images)
    let title = names.count == 1 ? "save \(names[0])" : "save \(images.count) images"
    let bytes = try await reporter.task(title, total: layout.size) { progress, _ in
      try await write(layout, to: output, progress: progress)
    }
    return SaveResult(images: images.map { ($0.record.manifestDigest, $0.references) }, bytes: bytes)
  }

  /// - Returns: how much was written, in bytes.
  func write(_ layout: ImageLayout, to output: SaveOutput, progress: TaskProgress) async throws -> Int64 {
    switch output {
    case .archive(let output):
      try await writeArchive(to: output, progress: progress) { [content] sink in
        try withoutActuallyEscaping(sink) { sink in
          let tar = try TarWriter(sink)
          try layout.write(to: tar, from: content)
          try tar.finish()
        }
      }
    case .directory(let path): try await save(layout, into: path, progress: progress)
    }
  }

  private func savedImages(_ names: [String]) throws -> [SavedImage] {
    guard !names.isEmpty else {
      throw EngineError(.invalidArgument, "there is no image to save", hint: "name one")
    }
    var saved: [Digest: SavedImage] = [:]
    for name in names {
      let record = try image(named: name)
      let digest = record.manifestDigest
      var image =
        try saved[digest]
        ?? SavedImage(
          record: record, manifest: try manifest(of: record),
          descriptor: Descriptor(
            mediaType: record.mediaType, digest: digest, size: try content.size(of: digest),
            platform: record.platform),
          references: [])
      if let given = try? Reference(parsing: name), given.digest == nil,
        try metadata.image(tagged: given.description)?.manifestDigest == digest
      {
        image.references = Set(image.references + [given.description]).sorted()
      }
      saved[digest] = image
    }
    return Array(saved.values)
  }

  private func save(_ layout: ImageLayout, into path: FilePath, progress: TaskProgress) async throws -> Int64
  {
    try await untilCancelled { isCancelled in
      try await onBlockingThread("layout-write") { [content] in
        guard fileKind(path) == nil else {
          throw EngineError(
            .alreadyExists, "cannot save to \(path): it is there already", subject: path.string,
            hint: "give the name of a directory that is not there, or save to a file")
        }
        try replacing(path, by: .directory) { fresh in
          try layout.write(
            to: LayoutDirectory(fresh, progress: progress, isCancelled: isCancelled), from: content)
          let directory = try openDirectory(fresh)
          try directory.descriptor.syncFileSystem()
        }
        return layout.size
      }
    }
  }
}
