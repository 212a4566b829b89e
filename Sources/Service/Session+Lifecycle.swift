import Engine
import LinuxSystem
import OCIModel
import RPCModel
import RPCTransport

extension Session: RequestHandler {
  func initialize(_ params: Initialize.Params, _ context: RequestContext) async throws -> Initialize.Result {
    if let trace = params.trace { state.withLock { $0.trace = trace } }
    if let client = params.clientInfo {
      let text = [client.name, client.version].compactMap(\.self).joined(separator: " ").prefix(200)
      log.info("the client is \(text)")
    }
    if let process = params.processId.flatMap(Int32.init(exactly:)), process > 0 { endWith(process) }
    return Initialize.Result(
      serverInfo: ProgramInfo(name: "coracle", version: version),
      capabilities: ServerCapabilities(
        protocolVersion: Method.protocolVersion, methods: Method.allCases.map(\.rawValue),
        maxFrameBytes: FrameLimits.standard.frame))
  }

  /// Ends the session when the client's process does; a process that is gone already ends it now.
  private func endWith(_ process: Int32) {
    let client: ProcessDescriptor
    do { client = try ProcessDescriptor(pid: process) } catch {
      if error.errno == .noSuchProcess { return leave() }
      // The end of the input still ends the session.
      return log.warning("cannot watch the client's process \(process): \(error)")
    }
    Task { [weak self] in
      do { try await DescriptorWatcher.shared.readable(client.descriptor) } catch {
        self?.log.warning("cannot watch the client's process \(process): \(error)")
        return
      }
      self?.leave()
    }
  }

  func shutdown(_ params: Shutdown.Params, _ context: RequestContext) async throws -> Shutdown.Result {
    await endRequests(except: context.id)
    return Shutdown.Result()
  }

  func rpcDiscover(_ params: RpcDiscover.Params, _ context: RequestContext) async throws -> RpcDiscover.Result
  {
    RpcDiscover.Result(
      openrpc: OpenRPCDocument.openrpc, info: JSON(OpenRPCDocument.info),
      methods: JSON(OpenRPCDocument.methods), components: JSON(OpenRPCDocument.components))
  }

  func systemPing(_ params: SystemPing.Params, _ context: RequestContext) async throws -> SystemPing.Result {
    SystemPing.Result()
  }

  func systemInfo(_ params: SystemInfo.Params, _ context: RequestContext) async throws -> SystemInfo.Result {
    let containers = try await engine.listContainers(all: true)
    let configuration = engine.configuration
    return SystemInfo.Result(
      version: version, protocolVersion: Method.protocolVersion,
      storeDirectory: configuration.storeDirectory.string, runDirectory: configuration.runDirectory.string,
      isRootless: configuration.isRootless, platform: Platform.host.description, kernel: kernelRelease(),
      images: try engine.listImages().count, containers: containers.count,
      runningContainers: containers.filter { $0.state == .running }.count,
      cursor: try engine.metadata.end().description)
  }
}
