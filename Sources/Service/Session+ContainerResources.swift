import Engine
import EngineErrors
import RPCModel

extension Session {
  func containerUpdate(_ params: ContainerUpdate.Params, _ context: RequestContext) async throws
    -> ContainerUpdate.Result
  { throw notYet("container/update") }

  func containerTop(_ params: ContainerTop.Params, _ context: RequestContext) async throws
    -> ContainerTop.Result
  { throw notYet("container/top") }

  func containerStats(_ params: ContainerStats.Params, _ context: RequestContext) async throws
    -> ContainerStats.Result
  { throw notYet("container/stats") }
}
