import Engine
import RPCModel

extension Session {
  func containerPublish(_ params: ContainerPublish.Params, _ context: RequestContext) async throws
    -> ContainerPublish.Result
  {
    let ports = try await engine.publish(
      params.container, params.ports.flatMap { try Engine.PortMapping.each($0) })
    return ContainerPublish.Result(ports: ports.map { .init($0) })
  }

  func containerUnpublish(_ params: ContainerUnpublish.Params, _ context: RequestContext) async throws
    -> ContainerUnpublish.Result
  {
    try await engine.unpublish(
      params.container, params.ports.flatMap { try Engine.PortMapping.each($0) })
    return ContainerUnpublish.Result()
  }
}
