import Engine
import EngineErrors
import LinuxSystem
import RPCModel

extension Session {
  func containerRestart(_ params: ContainerRestart.Params, _ context: RequestContext) async throws
    -> ContainerRestart.Result
  {
    let container = try await engine.restart(
      params.container, signal: try params.signal.map { try Signal(wire: $0) },
      timeout: params.timeoutMs.map { .milliseconds($0) })
    return ContainerRestart.Result(container: .init(container))
  }

  func containerPause(_ params: ContainerPause.Params, _ context: RequestContext) async throws
    -> ContainerPause.Result
  {
    try await engine.pause(params.container)
    return ContainerPause.Result()
  }

  func containerUnpause(_ params: ContainerUnpause.Params, _ context: RequestContext) async throws
    -> ContainerUnpause.Result
  {
    try await engine.unpause(params.container)
    return ContainerUnpause.Result()
  }

  func containerRename(_ params: ContainerRename.Params, _ context: RequestContext) async throws
    -> ContainerRename.Result
  {
    try await engine.rename(params.container, to: params.name)
    return ContainerRename.Result()
  }
}
