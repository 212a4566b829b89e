import Engine
import EngineErrors
import RPCModel

extension Session {
  func containerUpdate(_ params: ContainerUpdate.Params, _ context: RequestContext) async throws
    -> ContainerUpdate.Result
  {
    let (limits, warnings) = try await engine.update(
      params.container, limits: params.limits.map { .init($0) }, restart: params.restart.map { .init($0) })
    return ContainerUpdate.Result(limits: .init(limits), warnings: warnings.wire)
  }

  func containerTop(_ params: ContainerTop.Params, _ context: RequestContext) async throws
    -> ContainerTop.Result
  { throw notYet("container/top") }

  func containerStats(_ params: ContainerStats.Params, _ context: RequestContext) async throws
    -> ContainerStats.Result
  { throw notYet("container/stats") }
}

extension [Engine.ContainerWarning] {
  /// Nil where there is none.
  var wire: [RPCModel.ContainerWarning]? {
    isEmpty ? nil : map { .init(subject: $0.subject, reason: $0.reason) }
  }
}
