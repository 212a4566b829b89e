import Engine
import EngineErrors
import LinuxSystem
import RPCModel
import RPCTransport
import Runner
import SystemPackage

/// One more process in a container, and what goes in and out of it.
extension Session {
  func containerExec(_ params: ContainerExec.Params, _ context: RequestContext) async throws
    -> ContainerExec.Result
  {
    let senders = try open(params.streams, context)
    let receiver = try params.stdin.map(openInput)
    defer { if let receiver { closeInput(receiver) } }
    var options = ExecOptions(command: params.command)
    options.environment = params.environment ?? [:]
    options.workingDirectory = params.workingDirectory
    options.user = params.user
    options.opensStdin = receiver != nil
    if params.tty ?? false { options.terminal = params.terminalSize.map { .init($0) } ?? .init() }
    options.isPrivileged = params.privileged ?? false
    let session = try await engine.exec(params.container, options)
    let input = receiver.map { receiver in Task { await self.carry(receiver, to: session) } }
    defer { input?.cancel() }
    let work = Task {
      if let terminal = session.terminal {
        try open(terminal, of: context.id)
        try await Self.pump(session, to: senders)
      } else {
        try await Self.pumpPipes(session, to: senders)
      }
      return try await session.wait()
    }
    allowDetaching(context.id) { work.cancel() }
    do {
      let record = try await withTaskCancellationHandler {
        try await work.value
      } onCancel: {
        work.cancel()
      }
      return ContainerExec.Result(exit: .init(Engine.ExitStatus(record)))
    } catch {
      if !Task.isCancelled, wasDetached(context.id) {
        try session.leave()
        await senders.close()
        return ContainerExec.Result()
      }
      await Task { _ = try? await session.cancel() }.value
      throw error
    }
  }

  /// A process that takes no more input has not failed.
  private func carry(_ receiver: StreamReceiver, to session: ExecSession) async {
    if let terminal = session.terminal {
      await carry(receiver, to: terminal)
    } else {
      try? await carry(receiver) { bytes in
        try await session.write(bytes)
      } end: {
        session.closeStdin()
      }
    }
  }

  private func carry(_ receiver: StreamReceiver, to terminal: ExecTerminal) async {
    var last: UInt8 = 0x0A
    try? await carry(receiver) { bytes in
      last = bytes.last ?? last
      try await terminal.write(bytes)
    } end: {
      let isAtLineStart = last == 0x0A || last == 0x0D
      try await terminal.writeEnd(isAtLineStart: isAtLineStart)
    }
  }

  private static func pump(_ session: ExecSession, to senders: OutputSenders) async throws {
    var wanted = senders.stdout
    while let bytes = try await session.terminalOutput() {
      if let sender = wanted, try await !sender.send(bytes) { wanted = nil }
    }
    await senders.close()
  }

  private static func pumpPipes(_ session: ExecSession, to senders: OutputSenders) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      if let stdout = session.stdout { group.addTask { try await pump(stdout, to: senders.stdout) } }
      if let stderr = session.stderr { group.addTask { try await pump(stderr, to: senders.stderr) } }
      try await group.waitForAll()
    }
  }

  /// Sends what comes, to its end; what nobody wants is read all the same.
  private static func pump(_ output: ExecOutput, to sender: StreamSender?) async throws {
    var (output, wanted) = (output, sender)
    while let bytes = try await output.next() {
      if let sender = wanted, try await !sender.send(bytes) { wanted = nil }
    }
    await sender?.close()
  }

  /// Reads a pipe to its end and sends what comes, as long as it is wanted.
  static func pump(_ pipe: FileDescriptor, to sender: StreamSender) async throws {
    var isWanted = true
    while true {
      try await DescriptorWatcher.shared.readable(pipe)
      let bytes = try [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, count in
        count = try pipe.read(into: UnsafeMutableRawBufferPointer(buffer))
      }
      if bytes.isEmpty { break }
      if isWanted { isWanted = try await sender.send(bytes) }
    }
    await sender.close()
  }
}
