import ArgumentParser
import RPCModel

struct Save: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write images to an archive that other engines load.",
    discussion: """
      It is an OCI image layout and a Docker archive at once. Without -o or --directory it goes to standard output.
      """)
  static var completes: [NameKind] { [.images] }
  @Argument(help: "The images.") var images: [String]
  @Option(name: .shortAndLong, help: "The file to write.") var output: String?
  @Option(help: "Write the layout's files into this new directory instead.") var directory: String?

  func run(_ session: REPLSession) async throws -> Int32 {
    var params = ImageSave.Params(images: images)
    if let directory {
      (params.format, params.path) = (.directory, absolutePath(directory))
      let answer = try await session.request(ImageSave.self, params)
      if session.terminal.isJSON {
        session.terminal.printJSON(answer)
      } else {
        session.terminal.print(
          "\(directory)  \(count(answer.images.count)), \(ByteCount(answer.bytes).text)")
      }
      return 0
    }
    return try await session.writeArchive(to: output) { [params] path, stream, credit in
      var params = params
      (params.path, params.stream, params.initialCredit) = (path, stream, credit)
      let answer = try await session.request(ImageSave.self, params)
      return (answer, answer.bytes)
    }
  }

  private func count(_ images: Int) -> String { "\(images) image\(images == 1 ? "" : "s")" }
}

struct Load: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take in the images of an archive.",
    discussion: """
      The file is an OCI image layout, as a tar archive or a directory, or a Docker archive, plain or compressed with \
      gzip or zstd; - is standard input.
      """)
  static var completesInOrder: [[NameKind]]? { [[.files]] }
  @Argument(help: "The archive or directory.") var file: String?
  @Option(name: .shortAndLong, help: "The same, as with docker.") var input: String?
  @Option(help: "The name of its one image, instead of what the archive calls it.") var name: String?
  @Option(help: "os/architecture, instead of this machine's, for images of several.") var platform: String?

  func validate() throws {
    if file != nil, input != nil { throw ValidationError("give the file once, as an argument or with -i") }
  }

  func run(_ session: REPLSession) async throws -> Int32 {
    let input = try ArchiveInput(session, file: file ?? input ?? "-")
    let answer = try await input.carry {
      try await session.request(
        ImageLoad.self, .init(path: input.path, stream: input.stream, reference: name, platform: platform))
    }
    if session.terminal.isJSON {
      session.terminal.printJSON(answer)
      return 0
    }
    for loaded in answer.images {
      let names = loaded.references.map { FamiliarName($0).text }.joined(separator: ", ")
      let layers = "\(loaded.image.layerCount) layer\(loaded.image.layerCount == 1 ? "" : "s")"
      session.terminal.print(
        "\(names.isEmpty ? "-" : names)  \(ShortID(loaded.image.digest).text)  \(layers), \(ByteCount(loaded.image.size).text)"
      )
    }
    return 0
  }
}

struct Export: REPLCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a container's whole root file system to a tar archive.",
    discussion: "Without -o it goes to standard output.")
  static var completesInOrder: [[NameKind]]? { [[.containers]] }
  @Argument(help: "The container.") var container: String
  @Option(name: .shortAndLong, help: "The file to write.") var output: String?

  func run(_ session: REPLSession) async throws -> Int32 {
    try await session.writeArchive(to: output) { path, stream, credit in
      let answer = try await session.request(
        ContainerExport.self, .init(container: container, path: path, stream: stream, initialCredit: credit))
      return (answer, answer.bytes)
    }
  }
}

extension REPLSession {
  /// Lets a request write an archive: to a file, and then says how large it is, or to standard output where `output` is nil.
  ///
  /// - Parameter request: gets the file's path, or a stream and its first credit; answers with the size in bytes.
  func writeArchive<Answer: RPCValue>(
    to output: String?,
    _ request:
      @escaping @Sendable (_ path: String?, _ stream: StreamID?, _ credit: Int?) async throws -> (Answer, Int)
  ) async throws -> Int32 {
    if let output {
      let (answer, bytes) = try await writeFile(absolutePath(output), request)
      if terminal.isJSON {
        terminal.printJSON(answer)
      } else {
        terminal.print("\(output)  \(ByteCount(bytes).text)")
      }
      return 0
    }
    let attachment = try Attachment(self, input: false, output: .archive)
    let (stream, credit) = attachment.archiveStream
    _ = try await attachment.carry { try await request(nil, stream, credit) }
    return 0
  }
}

extension REPLSession {
  /// Lets a request write a file of this machine, wherever the service is.
  private func writeFile<Answer: Sendable>(
    _ path: String, _ request: @escaping @Sendable (String?, StreamID?, Int?) async throws -> Answer
  ) async throws -> Answer {
    guard isRemote else { return try await request(path, nil, nil) }
    let file = try WrittenFile(path)
    let attachment = Attachment(self, output: file.descriptor)
    let (stream, credit) = attachment.archiveStream
    defer { withExtendedLifetime(file) {} }
    do {
      let answer = try await attachment.carry { try await request(nil, stream, credit) }
      try file.keep()
      return answer
    } catch {
      // As with one that the service writes, nothing half done stays, and what was there does.
      file.discard()
      throw error
    }
  }
}

/// An archive that a request is to read: a file, or `-` for standard input.
struct ArchiveInput: Sendable {
  /// Nil where the service reads a stream.
  let path: String?
  private let attachment: Attachment?
  private let file: LocalFile?

  /// - Parameter file: `-`, an archive, or a directory; of this machine, wherever the service is.
  init(_ session: REPLSession, file name: String) throws {
    if name == "-" {
      self.init(path: nil, try Attachment(session, input: true, output: .none), nil)
    } else if session.isRemote {
      self.init(session, try LocalFile.reading(absolutePath(name)))
    } else {
      self.init(path: absolutePath(name), nil, nil)
    }
  }

  init(_ session: REPLSession, _ file: LocalFile) {
    let attachment = Attachment(session, input: file.descriptor) {
      do { try await file.finish() } catch { return (error as? RPCError)?.data }
      return nil
    }
    self.init(path: nil, attachment, file)
  }

  private init(path: String?, _ attachment: Attachment?, _ file: LocalFile?) {
    (self.path, self.attachment, self.file) = (path, attachment, file)
  }

  var stream: StreamID? { attachment?.inputStream }

  func carry<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    guard let attachment else { return try await body() }
    guard let file else { return try await attachment.carry(body) }
    // What tar could not read is no part of what the service has: then nothing is to come of it.
    return try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await attachment.carry(body) }
      group.addTask {
        try await file.finish()
        return nil
      }
      defer { group.cancelAll() }
      var result: Result?
      for try await found in group { result = found ?? result }
      guard let result else { throw CancellationError() }
      return result
    }
  }
}
