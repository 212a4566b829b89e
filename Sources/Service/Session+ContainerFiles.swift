import Engine
import EngineErrors
import RPCModel

extension Session {
  func containerCopyTo(_ params: ContainerCopyTo.Params, _ context: RequestContext) async throws
    -> ContainerCopyTo.Result
  { throw notYet("container/copyTo") }

  func containerCopyFrom(_ params: ContainerCopyFrom.Params, _ context: RequestContext) async throws
    -> ContainerCopyFrom.Result
  { throw notYet("container/copyFrom") }
}
