import Engine
import EngineErrors
import RPCModel

extension Session {
  func networkCreate(_ params: NetworkCreate.Params, _ context: RequestContext) async throws
    -> NetworkCreate.Result
  { throw EngineError(.unsupported, "networks are not there yet") }

  func networkList(_ params: NetworkList.Params, _ context: RequestContext) async throws
    -> NetworkList.Result
  { throw EngineError(.unsupported, "networks are not there yet") }

  func networkInspect(_ params: NetworkInspect.Params, _ context: RequestContext) async throws
    -> NetworkInspect.Result
  { throw EngineError(.unsupported, "networks are not there yet") }

  func networkRemove(_ params: NetworkRemove.Params, _ context: RequestContext) async throws
    -> NetworkRemove.Result
  { throw EngineError(.unsupported, "networks are not there yet") }

  func networkConnect(_ params: NetworkConnect.Params, _ context: RequestContext) async throws
    -> NetworkConnect.Result
  { throw EngineError(.unsupported, "networks are not there yet") }

  func networkDisconnect(_ params: NetworkDisconnect.Params, _ context: RequestContext) async throws
    -> NetworkDisconnect.Result
  { throw EngineError(.unsupported, "networks are not there yet") }
}
