import Engine
import EngineErrors
import RPCModel

extension Session {
  func containerRestart(_ params: ContainerRestart.Params, _ context: RequestContext) async throws
    -> ContainerRestart.Result
  { throw notYet("container/restart") }

  func containerPause(_ params: ContainerPause.Params, _ context: RequestContext) async throws
    -> ContainerPause.Result
  { throw notYet("container/pause") }

  func containerUnpause(_ params: ContainerUnpause.Params, _ context: RequestContext) async throws
    -> ContainerUnpause.Result
  { throw notYet("container/unpause") }

  func containerRename(_ params: ContainerRename.Params, _ context: RequestContext) async throws
    -> ContainerRename.Result
  { throw notYet("container/rename") }

  func notYet(_ method: String) -> EngineError {
    EngineError(.unsupported, "\(method) is not there yet", subject: method)
  }
}
