import Engine
import EngineErrors
import Glibc
import LinuxSystem
import OCIModel
import RPCModel
import RPCTransport
import SystemPackage

/// The requests that read or write an archive: a file of the service's machine, or a stream of the client's.
extension Session {
  func imageSave(_ params: ImageSave.Params, _ context: RequestContext) async throws -> ImageSave.Result {
    let reporter = context.reporter(params.workDoneToken)
    let saved: SaveResult
    if params.format == .directory {
      guard let path = params.path, params.stream == nil else {
        throw EngineError(
          .invalidArgument, "a directory needs a path, and no stream", subject: "path",
          hint: "give the path of a directory, or another format")
      }
      saved = try await engine.saveImages(
        params.images, to: .directory(try absolute(path)), reporter: reporter)
    } else {
      saved = try await writing(params.path, params.stream, params.initialCredit, context) { [self] output in
        try await engine.saveImages(params.images, to: .archive(output), reporter: reporter)
      }
    }
    return ImageSave.Result(
      images: saved.images.map { SavedImage(digest: $0.digest.description, references: $0.references) },
      bytes: Int(saved.bytes))
  }

  func imageLoad(_ params: ImageLoad.Params, _ context: RequestContext) async throws -> ImageLoad.Result {
    let (loaded, warnings) = try await LayerWarnings.collect {
      try await reading(params.path, params.stream) { [self] source in
        try await engine.loadImages(
          from: source, as: try params.reference.map { try Reference(parsing: $0) },
          platform: try platform(params.platform), reporter: context.reporter(params.workDoneToken))
      }
    }
    return ImageLoad.Result(
      images: loaded.map { RPCModel.LoadedImage(image: .init($0.image), references: $0.references) },
      layerWarnings: warnings.wire)
  }

  func containerExport(_ params: ContainerExport.Params, _ context: RequestContext) async throws
    -> ContainerExport.Result
  {
    let bytes = try await writing(params.path, params.stream, params.initialCredit, context) {
      [self] output in
      try await engine.export(
        params.container, to: output, reporter: context.reporter(params.workDoneToken))
    }
    return ContainerExport.Result(bytes: Int(bytes))
  }

  // MARK: Where the bytes come from and go

  /// Runs `body` with the archive that a request names.
  func reading<Result: Sendable>(
    _ path: String?, _ stream: StreamID?, _ body: @escaping @Sendable (ArchiveSource) async throws -> Result
  ) async throws -> Result {
    switch (path, stream) {
    case (let path?, nil):
      let file = try absolute(path)
      // What else fails is the engine's to say. A FIFO is opened once.
      if access(path, R_OK) != 0 {
        throw EngineError(
          "read \(file)", SystemError("open", Errno(rawValue: errno), on: path), subject: path
        )
        .hinting("look at the path, which is one of the service's machine, and at the file's mode")
      }
      return try await body(.file(file))
    case (nil, let stream?):
      let receiver = try openInput(stream)
      defer { closeInput(receiver) }
      let bytes = IncomingBytes { receiver.grant($0) }
      let carrying = Task {
        receiver.grant(Self.inputWindow)
        for await chunk in receiver.chunks { bytes.append(chunk) }
        if let error = receiver.error {
          bytes.fail(
            EngineError(.cancelled, "the client broke the archive off", causes: [error.message ?? ""]))
        } else {
          bytes.finish()
        }
      }
      defer { carrying.cancel() }
      return try await body(.client(bytes))
    default: throw oneOfPathAndStream
    }
  }

  /// Runs `body` with where the archive goes that a request asks for.
  func writing<Result: Sendable>(
    _ path: String?, _ stream: StreamID?, _ credit: Int?, _ context: RequestContext,
    _ body: @escaping @Sendable (ArchiveOutput) async throws -> Result
  ) async throws -> Result {
    switch (path, stream) {
    case (let path?, nil): return try await body(.file(absolute(path)))
    case (nil, let stream?):
      let sender = try sender(stream, credit ?? OutputSenders.defaultCredit, context)
      let pipe = try makePipe()
      return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          // The writer sees that nobody reads on, and ends.
          defer { try? pipe.read.close() }
          try await Self.pump(pipe.read, to: sender)
        }
        let result: Result
        do {
          defer { try? pipe.write.close() }
          result = try await body(.descriptor(pipe.write))
        } catch {
          sender.abandon()
          // Otherwise the writer says that its pipe was broken.
          try Task.checkCancellation()
          throw error
        }
        try await group.waitForAll()
        return result
      }
    default: throw oneOfPathAndStream
    }
  }

  func absolute(_ path: String) throws -> FilePath {
    guard path.hasPrefix("/") else {
      throw EngineError(
        .invalidArgument, "the path is not absolute: \(path)", subject: path,
        hint: "the service's directory is not the client's; give a path that begins with /")
    }
    return FilePath(path)
  }

  private var oneOfPathAndStream: EngineError {
    EngineError(
      .invalidArgument, "an archive needs either a path or a stream", subject: "path",
      hint: "give path for a file of the service's machine, or stream for the client's own bytes")
  }
}
