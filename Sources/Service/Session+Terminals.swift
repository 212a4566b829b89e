import Engine
import EngineErrors
import RPCModel
import Runner

/// The terminal of a container/exec that is under way.
enum RequestTerminal: Sendable {
  /// Not there yet, and the size that it is to have by now.
  case coming(RPCModel.TerminalSize?)
  case open(ExecTerminal)

  /// Nil for a request that has none.
  init?(_ request: ClientRequest) {
    guard case .containerExec(let params) = request, params.tty == true else { return nil }
    self = .coming(nil)
  }
}

extension Session {
  func containerResize(_ params: ContainerResize.Params, _ context: RequestContext) async throws
    -> ContainerResize.Result
  {
    switch (params.container, params.request) {
    case (let container?, nil):
      try await engine.resize(container, to: TerminalOptions(params.size))
    case (nil, let request?):
      try resize(request, to: params.size)
    default:
      throw EngineError(
        .invalidArgument, "a terminal is a container's or a request's", subject: "container",
        hint: "give container or request, one of the two")
    }
    return ContainerResize.Result()
  }

  private func resize(_ request: RequestID, to size: RPCModel.TerminalSize) throws {
    let open: ExecTerminal? = try state.withLock { state in
      guard let running = state.running[request], !running.isAnswered else {
        throw EngineError(
          .notFound, "no request \(request) is under way", subject: "\(request)",
          hint: "give the id of a container/exec of this session that was not answered yet")
      }
      switch running.terminal {
      case nil:
        throw EngineError(
          .conflict, "the request \(request) has no terminal", subject: "\(request)",
          hint: "give it one with terminal")
      case .coming:
        state.running[request]?.terminal = .coming(size)
        return nil
      case .open(let terminal):
        return terminal
      }
    }
    try open?.resize(TerminalOptions(size))
  }

  /// Lets container/resize find the terminal, which gets the size that came before it did.
  func open(_ terminal: ExecTerminal, of request: RequestID) throws {
    let size: RPCModel.TerminalSize? = state.withLock { state in
      defer { state.running[request]?.terminal = .open(terminal) }
      if case .coming(let size) = state.running[request]?.terminal { return size }
      return nil
    }
    if let size { try terminal.resize(TerminalOptions(size)) }
  }
}

extension TerminalOptions {
  init(_ size: RPCModel.TerminalSize) { self.init(rows: size.rows, columns: size.columns) }
}

extension ExecTerminal {
  func resize(_ size: TerminalOptions) throws {
    try resize(rows: UInt16(clamping: size.rows), columns: UInt16(clamping: size.columns))
  }
}
