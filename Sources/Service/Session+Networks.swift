import Engine
import EngineErrors
import RPCModel

extension Session {
  func networkCreate(_ params: NetworkCreate.Params, _ context: RequestContext) async throws
    -> NetworkCreate.Result
  {
    NetworkCreate.Result(network: .init(try await engine.createNetwork(NetworkOptions(params))))
  }

  func networkList(_ params: NetworkList.Params, _ context: RequestContext) async throws
    -> NetworkList.Result
  {
    NetworkList.Result(networks: try await engine.listNetworks().map { .init($0) })
  }

  func networkInspect(_ params: NetworkInspect.Params, _ context: RequestContext) async throws
    -> NetworkInspect.Result
  {
    let (network, endpoints) = try await engine.inspectNetwork(params.network)
    return NetworkInspect.Result(network: .init(network), endpoints: endpoints.map { .init($0) })
  }

  func networkRemove(_ params: NetworkRemove.Params, _ context: RequestContext) async throws
    -> NetworkRemove.Result
  {
    try await engine.removeNetwork(params.network)
    return NetworkRemove.Result()
  }

  func networkConnect(_ params: NetworkConnect.Params, _ context: RequestContext) async throws
    -> NetworkConnect.Result
  {
    var attachment = Engine.NetworkAttachment(network: params.network)
    attachment.aliases = params.aliases ?? []
    attachment.ipv4 = params.ipv4
    attachment.ipv6 = params.ipv6
    return NetworkConnect.Result(
      endpoint: .init(try await engine.connect(params.container, with: attachment)))
  }

  func networkDisconnect(_ params: NetworkDisconnect.Params, _ context: RequestContext) async throws
    -> NetworkDisconnect.Result
  {
    try await engine.disconnect(params.container, from: params.network)
    return NetworkDisconnect.Result()
  }
}
