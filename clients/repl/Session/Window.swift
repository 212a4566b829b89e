import RPCModel

/// What a change of the person's terminal's size is told to.
struct Window: Sendable {
  let resize: @Sendable (TerminalSize) -> Void

  /// A container's terminal.
  static func container(_ name: String, _ session: REPLSession) -> Window {
    Window { size in
      Task { try? await session.connection.send(ContainerResize.self, .init(container: name, size: size)) }
    }
  }

  /// That of the container that a request has started.
  static func started(_ session: REPLSession) -> Window {
    Window { size in
      guard let container = session.started.current else { return }
      Window.container(container.id, session).resize(size)
    }
  }

  /// That of a program, by its request.
  static func request(_ id: RequestID, _ session: REPLSession) -> Window {
    Window { size in
      Task { try? await session.connection.send(ContainerResize.self, .init(request: id, size: size)) }
    }
  }
}

extension Terminal {
  var wireSize: TerminalSize {
    let size = size
    return TerminalSize(rows: size.rows, columns: size.columns)
  }
}
