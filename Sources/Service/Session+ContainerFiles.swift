import Engine
import EngineErrors
import LinuxSystem
import RPCModel

extension Session {
  func containerListFiles(_ params: ContainerListFiles.Params, _ context: RequestContext) async throws
    -> ContainerListFiles.Result
  {
    let (files, isCut) = try await engine.listFiles(
      params.container, in: params.path, beginningWith: params.prefix ?? "")
    return ContainerListFiles.Result(
      files: files.map { .init(name: $0.name, kind: .init($0.kind), directory: $0.isDirectory) },
      more: isCut ? true : nil)
  }

  func containerCopyTo(_ params: ContainerCopyTo.Params, _ context: RequestContext) async throws
    -> ContainerCopyTo.Result
  {
    let reporter = context.reporter(params.workDoneToken)
    let owner = try params.ownership.map { try CopyOwner($0) }
    let result: CopyResult
    if let path = params.path, params.stream == nil {
      result = try await engine.copy(
        path, into: params.container, at: params.target, owner: owner, reporter: reporter)
    } else {
      result = try await reading(params.path, params.stream) { [engine] source in
        try await engine.unpack(
          source, into: params.container, at: params.target, owner: owner, reporter: reporter)
      }
    }
    return ContainerCopyTo.Result(entries: result.entries, bytes: Int(result.bytes))
  }

  func containerCopyFrom(_ params: ContainerCopyFrom.Params, _ context: RequestContext) async throws
    -> ContainerCopyFrom.Result
  {
    let reporter = context.reporter(params.workDoneToken)
    let followsLinks = params.followLinks ?? false
    let result: CopyResult
    if let path = params.path, params.stream == nil {
      result = try await engine.copy(
        from: params.container, params.source, to: path,
        owner: try params.ownership.map { try CopyOwner($0) },
        followsLinks: followsLinks, reporter: reporter)
    } else {
      result = try await writing(params.path, params.stream, params.initialCredit, context) {
        [engine] output in
        try await engine.pack(
          from: params.container, params.source, to: output, followsLinks: followsLinks, reporter: reporter)
      }
    }
    return ContainerCopyFrom.Result(entries: result.entries, bytes: Int(result.bytes))
  }
}

extension RPCModel.FileKind {
  init(_ kind: LinuxSystem.FileKind) {
    switch kind {
    case .regular: self = .file
    case .directory: self = .directory
    case .symbolicLink: self = .link
    case .characterDevice, .blockDevice, .fifo, .socket, .unknown: self = .other
    }
  }
}

extension CopyOwner {
  /// - Throws: `invalidArgument` for a user without a group and the reverse, and for both ways at once.
  init(_ ownership: CopyOwnership) throws(EngineError) {
    switch (ownership.keeps ?? false, ownership.user, ownership.group) {
    case (true, nil, nil): self = .kept
    case (false, let user?, let group?): self = .user(UInt32(clamping: user), group: UInt32(clamping: group))
    default:
      throw EngineError(
        .invalidArgument, "an ownership either keeps or names a user and a group", subject: "ownership")
    }
  }
}
